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

}  // namespace drystill::curriculum
