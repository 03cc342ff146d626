#include "generator/objective.h"

#include <cmath>

#include "kernels/divergence.h"

namespace drystill::generator {
namespace {

torch::Tensor mean_absolute_difference(const torch::Tensor& a, const torch::Tensor& b) {
  return (a - b).abs().mean();
}

}  // namespace

torch::Tensor one_hot_loss(const torch::Tensor& teacher) {
  // -log softmax at the argmax is logsumexp - max.
  const torch::Tensor logits = teacher.to(torch::kFloat32);
  return (logits.logsumexp(1) - logits.amax(1)).mean();
}

torch::Tensor class_balance_loss(const torch::Tensor& teacher, double temperature) {
  // In log space: a class whose mean underflows gives 0 * log 0 = NaN in the published form.
  const torch::Tensor log_p = (teacher.to(torch::kFloat32) / temperature).log_softmax(1);
  const torch::Tensor log_mean = log_p.logsumexp(0) - std::log(static_cast<double>(teacher.size(0)));
  return (log_mean.exp() * log_mean).sum();
}

torch::Tensor activation_loss(const torch::Tensor& features) {
  return -features.to(torch::kFloat32).abs().mean();
}

torch::Tensor total_variation_loss(const torch::Tensor& pixels) {
  const torch::Tensor images = pixels.to(torch::kFloat32);
  const std::int64_t h = images.size(2), w = images.size(3);
  const auto part = [&](std::int64_t top, std::int64_t left, std::int64_t height, std::int64_t width) {
    return images.narrow(2, top, height).narrow(3, left, width);
  };
  return mean_absolute_difference(part(0, 0, h - 1, w), part(1, 0, h - 1, w)) +
         mean_absolute_difference(part(0, 0, h, w - 1), part(0, 1, h, w - 1)) +
         mean_absolute_difference(part(0, 0, h - 1, w - 1), part(1, 1, h - 1, w - 1)) +
         mean_absolute_difference(part(0, 1, h - 1, w - 1), part(1, 0, h - 1, w - 1));
}

torch::Tensor adversarial_loss(const torch::Tensor& student, const torch::Tensor& teacher,
                               const ObjectiveOptions& options) {
  kernels::DivergenceOptions divergence;
  divergence.temperature = options.adversarial_temperature;
  torch::Tensor counted;  // undefined: all samples
  if (options.only_where_they_agree) counted = kernels::agreement_mask(student, teacher);
  switch (options.adversary) {
    case Adversary::kKl:
      divergence.kind = kernels::DivergenceKind::kForwardKl;
      return -kernels::divergence(student, teacher, divergence, counted).mean();
    case Adversary::kL1:
      divergence.kind = kernels::DivergenceKind::kL1;
      return -kernels::divergence(student, teacher, divergence, counted).mean();
    case Adversary::kJs:
      divergence.kind = kernels::DivergenceKind::kJensenShannon;
      return 1 - kernels::divergence(student, teacher, divergence).mean().clamp(0, 1);
  }
  return {};
}

}  // namespace drystill::generator
