#include "generator/image_objective.h"

#include "core/error.h"
#include "generator/objective.h"
#include "kernels/batch_statistics.h"
#include "vision/batch_norm_tap.h"

namespace drystill::generator {
namespace {

// The gradient passes through the student, but its parameters take none: no buffers, no wasted products.
class FrozenScope {
 public:
  explicit FrozenScope(torch::nn::Module& module) {
    for (auto& parameter : module.parameters()) {
      if (!parameter.requires_grad()) continue;
      parameter.set_requires_grad(false);
      frozen_.push_back(parameter);
    }
  }
  ~FrozenScope() {
    for (auto& parameter : frozen_) parameter.set_requires_grad(true);
  }
  FrozenScope(const FrozenScope&) = delete;
  FrozenScope& operator=(const FrozenScope&) = delete;

 private:
  std::vector<torch::Tensor> frozen_;
};

}  // namespace

void ObjectiveValue::add(const char* name, double weight, const torch::Tensor& term) {
  terms.emplace_back(name, term.detach());
  const torch::Tensor weighted = weight * term;
  loss = loss.defined() ? loss + weighted : weighted;
}

void ObjectiveValue::require_a_term() const {
  if (loss.defined()) return;
  throw ConfigError(
      "generator.objective: no term is left at this step: their weights are 0, the teacher has no batch norms, or "
      "there is "
      "no adversary (in the warm-up there never is); give `one_hot` or `class_balance` a weight");
}

ImageObjective::ImageObjective(const ObjectiveOptions& weights, bool student_in_eval_mode, Models models)
    : weights_(weights), student_in_eval_mode_(student_in_eval_mode), models_(std::move(models)) {
  models_.teacher->visit_batch_norms([this](vision::BatchNorm2d&) { teacher_has_batch_norm_ = true; });
}

std::vector<std::string> ImageObjective::notices() const {
  if (weights_.batch_norm > 0 && !teacher_has_batch_norm_) {
    return {"the teacher has no batch norm: generator.objective.batch_norm is left out"};
  }
  return {};
}

ObjectiveValue ImageObjective::evaluate(const torch::Tensor& images, const torch::Tensor& normalised,
                                        double adversarial_weight) const {
  FrozenScope frozen_student(*models_.student);
  torch::Tensor batch_norm;
  vision::Classifier::Output teacher;
  if (weights_.batch_norm > 0 && teacher_has_batch_norm_) {
    vision::BatchNormTap tap(*models_.teacher, [&](const torch::Tensor& input, const vision::BatchNorm2d& layer) {
      const auto distance = kernels::batch_norm_distance(input, layer.running_mean(), layer.running_var());
      batch_norm = batch_norm.defined() ? batch_norm + distance : distance;
    });
    teacher = models_.teacher->forward(normalised);
  } else {
    teacher = models_.teacher->forward(normalised);
  }

  ObjectiveValue value;
  value.teacher_logits = teacher.logits;
  if (weights_.one_hot > 0) value.add("one_hot", weights_.one_hot, one_hot_loss(teacher.logits));
  if (weights_.class_balance > 0) {
    value.add("class_balance", weights_.class_balance,
              class_balance_loss(teacher.logits, weights_.class_balance_temperature));
  }
  if (weights_.activation > 0) value.add("activation", weights_.activation, activation_loss(teacher.features));
  if (batch_norm.defined()) value.add("batch_norm", weights_.batch_norm, batch_norm);
  if (weights_.total_variation > 0) {
    value.add("total_variation", weights_.total_variation, total_variation_loss(images));
  }
  if (adversarial_weight > 0) {
    const bool was_training = models_.student->is_training();
    models_.student->train(!student_in_eval_mode_);
    const auto student = models_.student->forward(normalised);
    models_.student->train(was_training);
    value.add("adversarial", adversarial_weight, adversarial_loss(student.logits, teacher.logits, weights_));
  }
  return value;
}

}  // namespace drystill::generator
