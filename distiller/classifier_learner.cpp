#include "distiller/classifier_learner.h"

#include <ATen/ops/cross_entropy_loss.h>

#include "curriculum/sample_weights.h"
#include "distiller/learning_rate.h"
#include "kernels/divergence.h"

namespace drystill::distiller {

torch::Tensor distillation_losses(const torch::Tensor& student, const torch::Tensor& teacher,
                                  const LossOptions& options) {
  kernels::DivergenceOptions divergence;
  divergence.temperature = options.temperature;
  switch (options.kind) {
    case LossKind::kL1:
      divergence.kind = kernels::DivergenceKind::kL1;
      break;
    case LossKind::kKl:
      divergence.kind = kernels::DivergenceKind::kForwardKl;
      break;
    case LossKind::kMse:
      divergence.kind = kernels::DivergenceKind::kMse;
      break;
  }
  return kernels::divergence(student, teacher, divergence);
}

ClassifierLearner::ClassifierLearner(const ClassifierLearnerOptions& options,
                                     std::shared_ptr<vision::Classifier> student,
                                     std::shared_ptr<vision::Classifier> teacher)
    : options_(options),
      student_(std::move(student)),
      teacher_(std::move(teacher)),
      optimizer_(student_->parameters(), options.optimizer) {}

StepReport ClassifierLearner::step(const Batch& batch, const curriculum::StagePlan& plan) {
  optimizer_.set_learning_rate(optimizer_.peak_learning_rate() *
                               learning_rate_factor(options_.schedule, plan.step, options_.total_steps));
  student_->train();
  StepReport report;
  torch::Tensor target = batch.teacher_logits;
  if (teacher_ && !target.defined()) {
    torch::NoGradGuard no_grad;
    target = teacher_->forward(batch.inputs).logits;
  }
  const torch::Tensor logits = student_->forward(batch.inputs).logits;
  const torch::Tensor losses = target.defined()
                                   ? distillation_losses(logits, target, options_.loss)
                                   : at::cross_entropy_loss(logits, batch.labels, /*weight=*/{}, at::Reduction::None,
                                                            /*ignore_index=*/-100, options_.label_smoothing);
  report.sample_losses = losses.detach();
  torch::Tensor loss;
  if (plan.granularity == curriculum::Granularity::kPerBatch) {
    const torch::Tensor mean = losses.mean();
    report.sample_weights = curriculum::sample_weights(mean, plan.easy_threshold, plan.pacing);
    loss = report.sample_weights * mean;
  } else {
    report.sample_weights = curriculum::sample_weights(losses, plan.easy_threshold, plan.pacing);
    loss = (report.sample_weights * losses).mean();
  }
  optimizer_.zero_grad();
  loss.backward();
  optimizer_.step();
  // The unweighted loss is what a reader can compare between curricula, and what shows divergence.
  report.loss = report.sample_losses.mean();
  return report;
}

void ClassifierLearner::save(StateWriter writer) const {
  writer.module("student", *student_);
  optimizer_.save(writer.part("optimizer"));
}

void ClassifierLearner::load(const StateReader& reader) {
  reader.module("student", *student_);
  optimizer_.load(reader.part("optimizer"));
}

}  // namespace drystill::distiller
