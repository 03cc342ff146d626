#pragma once

#include <torch/types.h>

#include "kernels/options.h"

// On-policy distillation from the sampled tokens alone: where the teacher only scores what the student wrote, the
// per-token reverse KL becomes the advantage of a policy gradient. Everything composed of torch operators, [B, L] being
// far smaller than any logits.
namespace drystill::kernels {

// Advantages of sampled tokens -> [B, L], without gradient, 0 where mask is 0.
//
// sampler_log_probs, teacher_log_probs: [B, L] floating, log-probability of the sampled token, both at temperature 1
// and with nothing cut off, whatever the token was drawn with: else the optimum is not the teacher. mask: [B, L],
// nonzero for tokens that count (the end of a sequence included, prompt and padding not). Entries outside the mask are
// not read.
//
//   r_t = clamp(coefficient (log teacher_t - log sampler_t), +- reward_clip)
//   A_t = sum_{i >= t} discount^(i - t) r_i        i over the tokens of the mask
//   normalise_by_length: A_t / (number of mask tokens from t on);  whiten: mean 0, variance 1 over the mask
// discount 0 is the per-token reverse KL of Thinking Machines' on-policy distillation, 1 with normalise_by_length
// MiniLLM (2306.08543). Only discount 1 without the others is the gradient of the sequence's reverse KL: 0 ignores that
// a token changes the contexts after it.
// InputError for shapes, types and devices that differ.
torch::Tensor sampled_advantage(const torch::Tensor& sampler_log_probs, const torch::Tensor& teacher_log_probs,
                                const torch::Tensor& mask, const SampledAdvantageOptions& options);

// -sum over the mask of the surrogate / normaliser -> scalar, differentiable with respect to log_probs.
//
// log_probs: [B, L] of the sampled tokens under the student being trained; advantages as above (constants).
// ratio = exp(clamp(log_probs - sampler_log_probs, +- 20)):
//   importance_sampling  min(ratio, importance_clip) A       no gradient beyond the clip
//   ppo                  min(ratio A, clamp(ratio, 1 - ppo_clip, 1 + ppo_clip) A)
//   score_function       log_probs A stop_gradient(min(ratio, importance_clip))   (SDPO, 2601.20802)
// normaliser > 0 (ConfigError): tokens of the whole optimizer batch, or 1 for the sum. An empty mask gives 0.
torch::Tensor policy_loss(const torch::Tensor& log_probs, const torch::Tensor& sampler_log_probs,
                          const torch::Tensor& advantages, const torch::Tensor& mask,
                          const SampledAdvantageOptions& options, double normaliser = 1);

// Schulman's k3, exp(r) - 1 - r with r = clamp(log teacher - log student, +- 20): an unbiased estimate of the reverse
// KL that is never negative, for logging -> [B, L], 0 outside the mask. As a loss its gradient would be the forward
// KL's.
torch::Tensor reverse_kl_estimate(const torch::Tensor& student_log_probs, const torch::Tensor& teacher_log_probs,
                                  const torch::Tensor& mask);

}  // namespace drystill::kernels
