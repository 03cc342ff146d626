#pragma once

#include <torch/types.h>

#include <span>
#include <vector>

#include "distiller/language/options.h"
#include "distiller/language/predicted_tokens.h"
#include "distiller/language/sequence.h"
#include "kernels/token_divergence.h"

// The terms of a language student's loss, each through the fused head: no [tokens, vocabulary] tensor is kept.

namespace drystill::distiller {

// The divergence of `options`, against the teacher's heads or what is known of its likeliest words.
kernels::FusedTokenDivergence divergence(const PredictedTokens& predicted,
                                         const kernels::TokenDivergenceOptions& options, const torch::Tensor& weights,
                                         double normaliser);

// -log p of the tokens under one head -> loss: sum of weights times that / normaliser; token_losses [M].
kernels::FusedTokenDivergence cross_entropy(const kernels::HeadInput& head, const torch::Tensor& tokens,
                                            const torch::Tensor& weights, double normaliser);

// log p of the tokens under heads together -> [M], without a gradient.
torch::Tensor token_log_probs(const kernels::HeadMixture& mixture, const torch::Tensor& tokens);

// The sampler's log-probabilities [M]; those that a sequence does not know come from `own`, which may be undefined
// where all do (`know_sampler`).
bool know_sampler(std::span<const Sequence> sequences);
torch::Tensor sampler_log_probs(std::span<const Sequence> sequences, const torch::Tensor& own);
// The same at temperature 1 and with nothing cut off: what the author itself thought of what it wrote.
torch::Tensor author_log_probs(std::span<const Sequence> sequences, const torch::Tensor& own);

// min(p_student / p_author, clip) of every token -> [M], without a gradient; 1 where the author's is not known. The
// author of a token mixture is the mixture.
// student: log-probabilities of now. SDPO (arXiv 2601.20802; compute_self_distillation_loss in verl's core_algos.py,
// `is_clip`).
torch::Tensor clipped_importance(const torch::Tensor& student, std::span<const Sequence> sequences, double clip);

// kernels::sampled_advantage of these completions: [M] each -> [M], 0 for tokens that were taken greedily before
// sampling began (`sampler`). `whiten` is over the others of all of them. The reward compares the author's own
// distribution with the teacher's: a tempered one would be an optimum that is not the teacher.
torch::Tensor advantages(const torch::Tensor& sampler, const torch::Tensor& author, const torch::Tensor& teacher,
                         std::span<const Sequence> sequences, const kernels::SampledAdvantageOptions& options);

// The weights [M] that make `cross_entropy` have the gradient of kernels::policy_loss on these completions, its
// normaliser 1: d loss / d log p(token) does not depend on anything else. student: log-probabilities of now.
torch::Tensor policy_weights(const torch::Tensor& student, const torch::Tensor& sampler,
                             const torch::Tensor& advantages, std::span<const Sequence> sequences,
                             const kernels::SampledAdvantageOptions& options);

// student, teacher: states [M, H], one each of every pair of layers.

// HiddenStatisticsOptions without its weight, over the tokens whose weight is not 0 -> scalar, differentiable with
// respect to the student's states; undefined where no token counts.
// Of one vocabulary the teacher's tokens are the student's, of two all of its own count.
torch::Tensor hidden_statistics(std::span<const torch::Tensor> student, std::span<const torch::Tensor> teacher,
                                bool shared_vocabulary, const torch::Tensor& weights);

// HiddenStatesOptions without its weight: sum of weights times the relative distance, mean of the pairs, / normaliser
// -> scalar, differentiable with respect to the student's states.
torch::Tensor hidden_states(std::span<const torch::Tensor> student, std::span<const torch::Tensor> teacher,
                            const torch::Tensor& weights, double normaliser);

// sum of weights times kernels::universal_logit_distance of the compared tokens / normaliser; token_losses [M], 0 for
// tokens that have no counterpart. Logits exist for some rows at a time. The teacher has one head.
kernels::FusedTokenDivergence universal_logit(const PredictedTokens& predicted, const UniversalLogitOptions& options,
                                              const torch::Tensor& weights, double normaliser);

// [M] of all completions -> [N, L], filled up with zeros, and back.
torch::Tensor to_rows(const torch::Tensor& values, std::span<const Sequence> sequences);
torch::Tensor from_rows(const torch::Tensor& rows, std::span<const Sequence> sequences);

}  // namespace drystill::distiller
