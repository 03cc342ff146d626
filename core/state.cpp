#include "core/state.h"

#include <cstdio>
#include <cstdlib>

#include "core/error.h"

namespace drystill {
namespace {

std::string shape_of(const torch::Tensor& tensor) {
  std::string text = "[";
  for (std::int64_t i = 0; i < tensor.dim(); ++i) {
    text += (i ? ", " : "") + std::to_string(tensor.size(i));
  }
  return text + "] " + std::string(torch::toString(tensor.scalar_type()));
}

}  // namespace

StateWriter StateWriter::part(std::string_view name) const {
  return StateWriter(state_, prefix_ + std::string(name) + ".");
}

void StateWriter::tensor(std::string_view name, const torch::Tensor& value) {
  torch::NoGradGuard no_grad;
  const auto copy = value.detach().to(torch::kCPU).contiguous();
  // `to` and `contiguous` may return the same storage: a checkpoint must not see later updates.
  state_.tensors[prefix_ + std::string(name)] = copy.is_alias_of(value) ? copy.clone() : copy;
}

void StateWriter::integer(std::string_view name, std::int64_t value) {
  state_.values[prefix_ + std::string(name)] = std::to_string(value);
}

void StateWriter::real(std::string_view name, double value) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%a", value);
  state_.values[prefix_ + std::string(name)] = buffer;
}

void StateWriter::text(std::string_view name, std::string value) {
  state_.values[prefix_ + std::string(name)] = std::move(value);
}

void StateWriter::module(std::string_view name, const torch::nn::Module& value) {
  StateWriter inner = part(name);
  for (const auto& item : value.named_parameters()) inner.tensor(item.key(), item.value());
  for (const auto& item : value.named_buffers()) inner.tensor(item.key(), item.value());
}

StateReader StateReader::part(std::string_view name) const {
  return StateReader(state_, prefix_ + std::string(name) + ".");
}

bool StateReader::has_tensor(std::string_view name) const {
  return state_.tensors.contains(prefix_ + std::string(name));
}

torch::Tensor StateReader::tensor(std::string_view name) const {
  const auto found = state_.tensors.find(prefix_ + std::string(name));
  if (found == state_.tensors.end()) {
    throw InputError("the saved state has no tensor '" + prefix_ + std::string(name) +
                     "'; it was written by another configuration");
  }
  return found->second;
}

void StateReader::copy_into(std::string_view name, const torch::Tensor& destination) const {
  const auto source = tensor(name);
  if (source.sizes() != destination.sizes()) {
    throw InputError("saved tensor '" + prefix_ + std::string(name) + "' does not fit: expected " +
                     shape_of(destination) + ", got " + shape_of(source));
  }
  torch::NoGradGuard no_grad;
  destination.copy_(source);
}

const std::string& StateReader::value(std::string_view name) const {
  const auto found = state_.values.find(prefix_ + std::string(name));
  if (found == state_.values.end()) {
    throw InputError("the saved state has no value '" + prefix_ + std::string(name) +
                     "'; it was written by another configuration");
  }
  return found->second;
}

std::int64_t StateReader::integer(std::string_view name) const {
  const std::string& digits = value(name);
  char* end = nullptr;
  const long long number = std::strtoll(digits.c_str(), &end, 10);
  if (digits.empty() || *end != '\0') {
    throw InputError("saved value '" + prefix_ + std::string(name) + "' is not an integer: '" + digits + "'");
  }
  return number;
}

double StateReader::real(std::string_view name) const {
  const std::string& digits = value(name);
  char* end = nullptr;
  const double number = std::strtod(digits.c_str(), &end);
  if (digits.empty() || *end != '\0') {
    throw InputError("saved value '" + prefix_ + std::string(name) + "' is not a number: '" + digits + "'");
  }
  return number;
}

std::string StateReader::text(std::string_view name) const {
  return value(name);
}

void StateReader::module(std::string_view name, torch::nn::Module& destination) const {
  const StateReader inner = part(name);
  for (auto& item : destination.named_parameters()) inner.copy_into(item.key(), item.value());
  for (auto& item : destination.named_buffers()) inner.copy_into(item.key(), item.value());
}

}  // namespace drystill
