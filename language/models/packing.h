#pragma once

#include <torch/types.h>

#include <cstdint>
#include <span>

#include "language/models/causal_lm.h"

namespace drystill::language {

// Tokens behind a prompt of at least one token; both belong to somebody else.
struct PromptedCompletion {
  std::span<const std::int64_t> prompt;
  std::span<const std::int64_t> completion;
};

// Texts side by side, padded on the right. The last token of a completion predicts nothing and is not in it.
struct PackedView {
  TokenBatch tokens;         // [N, T]
  torch::Tensor predictors;  // int64 [M]: the places in [N * T] whose hidden states predict the completions' tokens
};

// Throws InputError for an empty prompt: nothing would predict the completion's first token.
PackedView pack(std::span<const PromptedCompletion> texts, torch::Device device);
// The M tokens of all completions, in their order.
torch::Tensor completion_tokens(std::span<const PromptedCompletion> texts, torch::Device device);  // int64 [M]

// hidden [N, T, H] -> [M, H] at the predictors.
torch::Tensor predicting_states(const torch::Tensor& hidden, const PackedView& view);

}  // namespace drystill::language
