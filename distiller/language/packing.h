#pragma once

#include <torch/types.h>

#include <span>

#include "distiller/language/sequence.h"
#include "language/models/causal_lm.h"

namespace drystill::distiller {

enum class Side { kTeacher, kStudent };

// Sequences of one view side by side, padded on the right. The last token of a completion predicts nothing and is not
// in it.
struct PackedView {
  language::TokenBatch tokens;  // [N, T]
  torch::Tensor predictors;     // int64 [M]: the places in [N * T] whose hidden states predict the completions' tokens
};

// The M tokens of all completions, in the order of `sequences`: the same in both views, unless the tokenizers differ.
PackedView pack(std::span<const Sequence> sequences, Side side, torch::Device device);
torch::Tensor completion_tokens(std::span<const Sequence> sequences, torch::Device device);  // int64 [M]

// hidden [N, T, H] -> [M, H] at the predictors.
torch::Tensor predicting_states(const torch::Tensor& hidden, const PackedView& view);

}  // namespace drystill::distiller
