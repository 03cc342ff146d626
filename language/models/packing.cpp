#include "language/models/packing.h"

#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/error.h"

namespace drystill::language {
namespace {

void check_prompts(std::span<const PromptedCompletion> texts) {
  const auto empty = std::ranges::find_if(texts, [](const PromptedCompletion& text) { return text.prompt.empty(); });
  if (empty == texts.end()) return;
  throw InputError("[language.pack] expected at least one token before a completion, got none before completion " +
                   std::to_string(empty - texts.begin()) + " of " + std::to_string(texts.size()) +
                   "; begin its prompt with a token that begins a text");
}

}  // namespace

PackedView pack(std::span<const PromptedCompletion> texts, torch::Device device) {
  check_prompts(texts);
  const auto rows = static_cast<std::int64_t>(texts.size());
  const auto length_of = [](const PromptedCompletion& text) {
    return std::ssize(text.prompt) + std::max<std::int64_t>(std::ssize(text.completion) - 1, 0);
  };
  std::int64_t width = 1;
  for (const PromptedCompletion& text : texts) width = std::max<std::int64_t>(width, length_of(text));
  torch::Tensor ids = at::zeros({rows, width}, torch::kInt64), mask = at::zeros({rows, width}, torch::kBool);
  std::vector<std::int64_t> predictors;
  for (std::int64_t row = 0; row < rows; ++row) {
    const PromptedCompletion& text = texts[static_cast<std::size_t>(row)];
    auto* out = std::ranges::copy(text.prompt, ids.mutable_data_ptr<std::int64_t>() + row * width).out;
    if (!text.completion.empty()) std::ranges::copy(text.completion.first(text.completion.size() - 1), out);
    std::fill_n(mask.mutable_data_ptr<bool>() + row * width, length_of(text), true);
    for (std::int64_t t = 0; t < std::ssize(text.completion); ++t) {
      predictors.push_back(row * width + std::ssize(text.prompt) - 1 + t);
    }
  }
  const bool padded = !mask.all().item<bool>();
  return {.tokens = {.ids = ids.to(device), .mask = padded ? mask.to(device) : torch::Tensor(), .positions = {}},
          .predictors = at::tensor(predictors, torch::kInt64).to(device)};
}

torch::Tensor completion_tokens(std::span<const PromptedCompletion> texts, torch::Device device) {
  std::vector<std::int64_t> tokens;
  for (const PromptedCompletion& text : texts) {
    tokens.insert(tokens.end(), text.completion.begin(), text.completion.end());
  }
  return at::tensor(tokens, torch::kInt64).to(device);
}

torch::Tensor predicting_states(const torch::Tensor& hidden, const PackedView& view) {
  return hidden.reshape({-1, hidden.size(-1)}).index_select(0, view.predictors);
}

}  // namespace drystill::language
