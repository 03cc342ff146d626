#pragma once

#include <torch/types.h>

#include <span>
#include <vector>

#include "distiller/language/options.h"
#include "distiller/language/sequence.h"
#include "kernels/token_divergence.h"

// The terms of a language student's loss, each through the fused head: no [tokens, vocabulary] tensor is kept.

namespace drystill::distiller {

// What the terms are computed from: the states that predict the M tokens of all completions, and those tokens.
struct PredictedTokens {
  kernels::HeadInput student;  // hidden [M, H], with a gradient
  kernels::HeadInput teacher;  // hidden [M, Ht], without; undefined where there is no teacher
  torch::Tensor tokens;        // int64 [M]
};

// -log p of the tokens under one head -> loss: sum of weights times that / normaliser; token_losses [M].
kernels::FusedTokenDivergence cross_entropy(const kernels::HeadInput& head, const torch::Tensor& tokens,
                                            const torch::Tensor& weights, double normaliser);

// The weights [M] that make `cross_entropy` have the gradient of kernels::policy_loss on these completions, its
// normaliser 1: d loss / d log p(token) does not depend on anything else. Sampler log-probabilities that a sequence
// does not know are the student's own of now.
torch::Tensor policy_weights(const PredictedTokens& predicted, std::span<const Sequence> sequences,
                             const kernels::SampledAdvantageOptions& options);

// [M] of all completions -> [N, L], filled up with zeros, and back.
torch::Tensor to_rows(const torch::Tensor& values, std::span<const Sequence> sequences);
torch::Tensor from_rows(const torch::Tensor& rows, std::span<const Sequence> sequences);

}  // namespace drystill::distiller
