#include "tests/vision/hashed_weights.h"

#include <cmath>
#include <cstdint>

namespace drystill::vision::testing {
namespace {

std::uint64_t fnv1a(const std::string& text) {
  std::uint64_t hash = 0xCBF29CE484222325;
  for (const char byte : text) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001B3;
  return hash;
}

std::uint64_t split_mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

void fill(const std::string& name, torch::Tensor tensor) {
  const auto ends_with = [&](const char* suffix) { return name.ends_with(suffix); };
  if (ends_with("num_batches_tracked")) {
    tensor.fill_(7);
    return;
  }
  auto value = hashed(name, tensor.sizes());
  if (tensor.dim() > 1) {
    value = value * std::sqrt(6.0 / static_cast<double>(tensor.numel() / tensor.size(0)));
  } else if (ends_with("running_var")) {
    value = 1 + 0.5 * value;
  } else if (ends_with("weight")) {
    value = 0.5 + 0.25 * value;
  } else {
    value = 0.125 * value;
  }
  tensor.copy_(value);
}

}  // namespace

torch::Tensor hashed(const std::string& name, at::IntArrayRef shape) {
  auto values = torch::empty(shape, torch::kFloat64);
  auto* out = values.mutable_data_ptr<double>();
  const std::uint64_t seed = fnv1a(name);
  for (std::int64_t i = 0; i < values.numel(); ++i) {
    const std::uint64_t bits = split_mix(seed + static_cast<std::uint64_t>(i) * 0x9E3779B97F4A7C15);
    out[i] = static_cast<double>(bits >> 40) / (1 << 23) - 1;
  }
  return values;
}

void fill_hashed(torch::nn::Module& module) {
  const torch::NoGradGuard no_grad;
  for (auto& item : module.named_parameters()) fill(item.key(), item.value());
  for (auto& item : module.named_buffers()) fill(item.key(), item.value());
}

torch::Tensor hashed_images(std::int64_t count, std::int64_t channels) {
  return hashed("images", {count, channels, 32, 32}).to(torch::kFloat32);
}

}  // namespace drystill::vision::testing
