#pragma once

#include <memory>

#include "core/optimizer.h"
#include "distiller/loop.h"
#include "vision/classifier.h"

namespace drystill::distiller {

// What a learner of a classifier needs besides its batch.
struct ClassifierLearnerOptions {
  LossOptions loss;
  OptimizerOptions optimizer;
  ScheduleOptions schedule;
  double label_smoothing = 0;  // labels only
  std::int64_t total_steps = 1;
};

// Per-sample distance of the student's logits [N, C] to the teacher's, [N], in fp32 (kernels/divergence.h).
torch::Tensor distillation_losses(const torch::Tensor& student, const torch::Tensor& teacher,
                                  const LossOptions& options);

// Trains a classifier: towards the teacher's logits, weighted by the curriculum, or towards labels where there is no
// teacher.
//   per sample  loss = sum_i v(l_i) l_i / N        (CuDFKD, the paper)
//   per batch   loss = v(mean l) mean l            (CuDFKD, the released code)
class ClassifierLearner final : public Learner {
 public:
  // teacher may be null: then every batch must have labels. It must be frozen.
  ClassifierLearner(const ClassifierLearnerOptions& options, std::shared_ptr<vision::Classifier> student,
                    std::shared_ptr<vision::Classifier> teacher);

  StepReport step(const Batch& batch, const curriculum::StagePlan& plan) override;
  double learning_rate() const override { return optimizer_.learning_rate(); }
  void save(StateWriter writer) const override;
  void load(const StateReader& reader) override;

 private:
  ClassifierLearnerOptions options_;
  std::shared_ptr<vision::Classifier> student_;
  std::shared_ptr<vision::Classifier> teacher_;
  Optimizer optimizer_;
};

}  // namespace drystill::distiller
