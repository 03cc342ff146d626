#include "io/state_dict.h"

#include <algorithm>
#include <optional>

#include "core/error.h"
#include "io/quote.h"

namespace drystill::io {
namespace {

using Tensors = std::map<std::string, torch::Tensor>;

bool is_optional(const std::string& name) {
  return name.ends_with("num_batches_tracked");
}

std::string text_of(const torch::Tensor& tensor) {
  return shape_text(tensor.sizes()) + " " + torch::toString(tensor.scalar_type());
}

bool fits(const torch::Tensor& expected, const torch::Tensor& got) {
  return expected.sizes() == got.sizes() &&
         (expected.scalar_type() == got.scalar_type() || (expected.is_floating_point() && got.is_floating_point()));
}

struct Mismatch {
  std::vector<std::string> missing;
  std::vector<std::string> unexpected;
  std::vector<std::string> misshapen;

  bool any() const { return !missing.empty() || !unexpected.empty() || !misshapen.empty(); }
};

Mismatch compare(const Tensors& expected, const Tensors& got) {
  Mismatch mismatch;
  for (const auto& [name, tensor] : expected) {
    const auto found = got.find(name);
    if (found == got.end()) {
      if (!is_optional(name)) mismatch.missing.push_back(name);
    } else if (!fits(tensor, found->second)) {
      mismatch.misshapen.push_back(name);
    }
  }
  for (const auto& [name, tensor] : got) {
    if (!expected.contains(name) && !is_optional(name)) mismatch.unexpected.push_back(name);
  }
  return mismatch;
}

// The last parameter of the module that is a matrix: the weight of its classifier.
std::string final_weight(const torch::nn::Module& module) {
  std::string name;
  for (const auto& item : module.named_parameters()) {
    if (item.value().dim() >= 2) name = item.key();
  }
  return name;
}

// The sentence for the commonest slip: all fits but the first dimension of the final layer.
std::optional<std::string> class_count_message(const torch::nn::Module& module, const Tensors& expected,
                                               const Tensors& got, const Mismatch& mismatch) {
  if (!mismatch.missing.empty() || !mismatch.unexpected.empty()) return std::nullopt;
  const std::string weight = final_weight(module);
  const std::string layer = weight.substr(0, weight.rfind('.'));
  const bool only_final = std::ranges::all_of(mismatch.misshapen, [&](const std::string& name) {
    const auto& a = expected.at(name);
    const auto& b = got.at(name);
    return (name == weight || name == layer + ".bias") && a.dim() == b.dim() && a.dim() > 0 &&
           a.sizes().slice(1) == b.sizes().slice(1) && a.size(0) != b.size(0);
  });
  if (!only_final || std::ranges::find(mismatch.misshapen, weight) == mismatch.misshapen.end()) return std::nullopt;
  const std::string theirs = std::to_string(got.at(weight).size(0));
  return "it has " + theirs + " classes, the model has " + std::to_string(expected.at(weight).size(0)) + " (layer " +
         quote(layer) + "); all else fits, so set the model's number of classes to " + theirs;
}

std::string describe(const Mismatch& mismatch, const Tensors& expected, const Tensors& got) {
  std::string text;
  const auto add = [&](std::size_t count, const char* what, const std::string& names) {
    if (count != 0) text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + what + " (" + names + ")";
  };
  add(mismatch.missing.size(), "missing", first_names(mismatch.missing));
  add(mismatch.unexpected.size(), "unexpected", first_names(mismatch.unexpected));
  std::string shapes;
  for (std::size_t i = 0; i < std::min<std::size_t>(mismatch.misshapen.size(), 3); ++i) {
    const std::string& name = mismatch.misshapen[i];
    shapes +=
        (i ? ", " : "") + quote(name) + " expected " + text_of(expected.at(name)) + ", got " + text_of(got.at(name));
  }
  add(mismatch.misshapen.size(), "of another shape or type", shapes);
  return text + "; of " + std::to_string(expected.size()) + " tensors of the model; is it another architecture?";
}

}  // namespace

Tensors state_dict(const torch::nn::Module& module) {
  Tensors tensors;
  for (const auto& item : module.named_parameters()) tensors[item.key()] = item.value().detach();
  for (const auto& item : module.named_buffers()) tensors[item.key()] = item.value().detach();
  return tensors;
}

void load_into(torch::nn::Module& module, const Tensors& tensors, const std::string& source) {
  const Tensors expected = state_dict(module);
  const Mismatch mismatch = compare(expected, tensors);
  if (mismatch.any()) {
    const auto classes = class_count_message(module, expected, tensors, mismatch);
    throw InputError(quote(source) +
                     " does not fit the model: " + (classes ? *classes : describe(mismatch, expected, tensors)));
  }
  torch::NoGradGuard no_grad;
  for (const auto& [name, destination] : expected) {
    if (const auto found = tensors.find(name); found != tensors.end()) destination.copy_(found->second);
  }
}

}  // namespace drystill::io
