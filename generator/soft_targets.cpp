#include "generator/soft_targets.h"

#include <ATen/ops/_sample_dirichlet.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/one_hot.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/where.h>

#include <memory>
#include <string>
#include <utility>

#include "core/error.h"
#include "vision/layers.h"

namespace drystill::generator {
namespace {

// Dirichlet concentrations must be positive: the least similar class keeps a small one.
constexpr double kLeastSimilarity = 0.01;
constexpr double kPeakedScale = 0.1, kPeakedShare = 0.5;

torch::Tensor classes_in_turn(std::int64_t count, std::int64_t classes) {
  return at::arange(count, at::TensorOptions(at::kLong)).remainder(classes);
}

}  // namespace

torch::Tensor class_targets(std::int64_t count, std::int64_t classes) {
  return at::one_hot(classes_in_turn(count, classes), classes).to(torch::kFloat32);
}

torch::Tensor class_similarity(const vision::Classifier& model, std::int64_t classes) {
  torch::Tensor weight;
  for (const auto& module : model.modules(/*include_self=*/false)) {
    const auto linear = std::dynamic_pointer_cast<vision::Linear>(module);
    if (linear && linear->weight().size(0) == classes) weight = linear->weight();
  }
  if (!weight.defined()) {
    throw ConfigError("[generator.class_similarity] expected a last linear layer with " + std::to_string(classes) +
                      " rows, found none in this teacher; use generator.target.kind=class");
  }
  torch::NoGradGuard no_grad;
  const torch::Tensor rows = weight.to(torch::kCPU, torch::kFloat32);
  const torch::Tensor unit = rows / rows.norm(2, 1, /*keepdim=*/true).clamp_min(1e-12);
  const torch::Tensor cosine = unit.matmul(unit.t());
  const torch::Tensor lowest = cosine.amin(1, /*keepdim=*/true), highest = cosine.amax(1, /*keepdim=*/true);
  return (cosine - lowest) / (highest - lowest).clamp_min(1e-12);
}

torch::Tensor dirichlet_targets(const torch::Tensor& similarity, std::int64_t count, at::Generator random) {
  const torch::Tensor classes = classes_in_turn(count, similarity.size(0));
  const torch::Tensor peaked = at::rand({count, 1}, random, at::TensorOptions(at::kFloat)) < kPeakedShare;
  const torch::Tensor concentration =
      similarity.index_select(0, classes).clamp_min(kLeastSimilarity) * at::where(peaked, kPeakedScale, 1.0);
  return at::_sample_dirichlet(concentration.to(torch::kFloat64), std::move(random)).to(torch::kFloat32);
}

torch::Tensor target_loss(const torch::Tensor& logits, const torch::Tensor& targets, double temperature) {
  const torch::Tensor log_p = (logits.to(torch::kFloat32) / temperature).log_softmax(1);
  return -(targets * log_p).sum(1).mean() * temperature;
}

}  // namespace drystill::generator
