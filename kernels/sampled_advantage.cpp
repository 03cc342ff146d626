#include "kernels/sampled_advantage.h"

#include <ATen/ops/empty_like.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/zeros.h>
#include <c10/util/StringUtil.h>

#include <cmath>

#include "core/error.h"

namespace drystill::kernels {
namespace {

constexpr double kLargestLogRatio = 20;  // exp of more than this explodes in float32

struct Named {
  const char* name;
  const torch::Tensor& tensor;
};

void check_tokens(const char* where, std::initializer_list<Named> tensors) {
  const torch::Tensor& first = tensors.begin()->tensor;
  for (const auto& [name, tensor] : tensors) {
    if (!tensor.defined() || tensor.dim() != 2 || tensor.sizes() != first.sizes() ||
        tensor.device() != first.device()) {
      throw InputError(c10::str("[", where, "] expected ", name, " of one shape [B, L] and device with ",
                                tensors.begin()->name, ", got ",
                                tensor.defined() ? c10::str(tensor.sizes(), " on ", tensor.device()) : "none"));
    }
  }
}

torch::ScalarType wide_type(const torch::Tensor& tensor) {
  return tensor.scalar_type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32;
}

// Outside the mask 0, whatever was there.
torch::Tensor inside(const torch::Tensor& values, const torch::Tensor& mask, torch::ScalarType type) {
  return values.to(type).masked_fill(mask.eq(0), 0);
}

}  // namespace

torch::Tensor sampled_advantage(const torch::Tensor& sampler_log_probs, const torch::Tensor& teacher_log_probs,
                                const torch::Tensor& mask, const SampledAdvantageOptions& options) {
  check_tokens("kernels.sampled_advantage",
               {{"sampler_log_probs", sampler_log_probs}, {"teacher_log_probs", teacher_log_probs}, {"mask", mask}});
  const torch::NoGradGuard no_grad;
  const auto type = wide_type(sampler_log_probs);
  torch::Tensor reward =
      options.coefficient * (inside(teacher_log_probs, mask, type) - inside(sampler_log_probs, mask, type));
  if (options.reward_clip > 0) reward = reward.clamp(-options.reward_clip, options.reward_clip);

  const torch::Tensor counted = mask.ne(0);
  torch::Tensor advantage = reward;
  if (options.discount > 0) {
    advantage = at::empty_like(reward);
    torch::Tensor to_go = at::zeros({reward.size(0)}, reward.options());
    for (std::int64_t t = reward.size(1) - 1; t >= 0; --t) {
      // A token outside the mask takes no time: it must not discount what follows it.
      to_go = (options.discount * to_go + reward.select(1, t)).where(counted.select(1, t), to_go);
      advantage.select(1, t).copy_(to_go);
    }
  }
  if (options.normalise_by_length) {
    const torch::Tensor remaining = counted.to(type).flip(1).cumsum(1).flip(1);
    advantage = advantage / remaining.clamp_min(1);
  }
  if (options.whiten) {
    const torch::Tensor count = counted.sum().clamp_min(1);
    const torch::Tensor centered = advantage - advantage.masked_fill(mask.eq(0), 0).sum() / count;
    const torch::Tensor variance = centered.square().masked_fill(mask.eq(0), 0).sum() / count;
    advantage = centered * (variance + 1e-8).rsqrt();
  }
  return advantage.masked_fill(mask.eq(0), 0);
}

torch::Tensor policy_loss(const torch::Tensor& log_probs, const torch::Tensor& sampler_log_probs,
                          const torch::Tensor& advantages, const torch::Tensor& mask,
                          const SampledAdvantageOptions& options, double normaliser) {
  check_tokens(
      "kernels.policy_loss",
      {{"log_probs", log_probs}, {"sampler_log_probs", sampler_log_probs}, {"advantages", advantages}, {"mask", mask}});
  if (!(normaliser > 0) || !std::isfinite(normaliser)) {
    throw ConfigError(c10::str("[kernels.policy_loss] expected a finite normaliser > 0, got ", normaliser));
  }
  const auto type = wide_type(log_probs);
  const torch::Tensor log_p = inside(log_probs, mask, type);
  const torch::Tensor log_sampler = inside(sampler_log_probs, mask, type).detach();
  const torch::Tensor advantage = inside(advantages, mask, type).detach();
  const torch::Tensor ratio = (log_p - log_sampler).clamp(-kLargestLogRatio, kLargestLogRatio).exp();
  const torch::Tensor capped = options.importance_clip > 0 ? ratio.clamp_max(options.importance_clip) : ratio;
  torch::Tensor surrogate;
  switch (options.surrogate) {
    case PolicySurrogate::kImportanceSampling:
      surrogate = capped * advantage;
      break;
    case PolicySurrogate::kPpo:
      surrogate = at::minimum(ratio * advantage, ratio.clamp(1 - options.ppo_clip, 1 + options.ppo_clip) * advantage);
      break;
    case PolicySurrogate::kScoreFunction:
      surrogate = log_p * advantage * capped.detach();
      break;
  }
  return -surrogate.sum() / normaliser;
}

torch::Tensor reverse_kl_estimate(const torch::Tensor& student_log_probs, const torch::Tensor& teacher_log_probs,
                                  const torch::Tensor& mask) {
  check_tokens("kernels.reverse_kl_estimate",
               {{"student_log_probs", student_log_probs}, {"teacher_log_probs", teacher_log_probs}, {"mask", mask}});
  const torch::NoGradGuard no_grad;
  const auto type = wide_type(student_log_probs);
  const torch::Tensor log_ratio = (inside(teacher_log_probs, mask, type) - inside(student_log_probs, mask, type))
                                      .clamp(-kLargestLogRatio, kLargestLogRatio);
  return log_ratio.expm1() - log_ratio;
}

}  // namespace drystill::kernels
