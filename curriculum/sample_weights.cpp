#include "curriculum/sample_weights.h"

#include <cmath>

namespace drystill::curriculum {

torch::Tensor sample_weights(const torch::Tensor& losses, double threshold, Pacing pacing) {
  torch::NoGradGuard no_grad;
  const torch::Tensor l = losses.detach();
  switch (pacing) {
    case Pacing::kNone:
      return torch::ones_like(l);
    case Pacing::kHard:
      return l.lt(threshold).to(l.scalar_type());
    case Pacing::kSoft:
      return (1 - l / threshold).clamp_min(0);
    case Pacing::kLog:
      // sigmoid(lambda - l) is 1 / (1 + e^(l - lambda)) without overflow for large losses.
      return (1 + std::exp(-threshold)) * torch::sigmoid(threshold - l);
  }
  return torch::ones_like(l);
}

torch::Tensor pacing_regulariser(const torch::Tensor& weights, double threshold, Pacing pacing) {
  torch::NoGradGuard no_grad;
  const torch::Tensor v = weights.detach();
  switch (pacing) {
    case Pacing::kNone:
      return torch::zeros({}, v.options());
    case Pacing::kHard:
      return -threshold * v.sum();
    case Pacing::kSoft:
      return 0.5 * threshold * (v * v - 2 * v).sum();
    case Pacing::kLog: {
      const torch::Tensor mu = 1 + std::exp(-threshold) - v;
      return (torch::xlogy(mu, mu) + torch::xlogy(v, v) - threshold * v).sum();
    }
  }
  return torch::zeros({}, v.options());
}

}  // namespace drystill::curriculum
