#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "core/optimizer.h"
#include "distiller/language/loss_terms.h"
#include "distiller/language/options.h"
#include "distiller/language/packing.h"
#include "distiller/language/sequence.h"
#include "distiller/language/student.h"
#include "distiller/language/teacher.h"
#include "distiller/loop.h"

namespace drystill::distiller {

struct LanguageLearnerOptions {
  LanguageLossOptions loss;
  OptimizerOptions optimizer;
  ScheduleOptions schedule;
  std::int64_t total_steps = 1;
  std::int64_t micro_batch = 8;
  std::int64_t longest = 1024;
  double clip_gradient = 1;
};

// One step of a language student on the completions of a batch: both views, the loss on every token of the completion,
// averaged over the whole optimizer batch however small the micro-batches are.
class LanguageLearner final : public Learner {
 public:
  // `student` outlives the learner. Without a teacher the loss may be cross-entropy only.
  LanguageLearner(const LanguageLearnerOptions& options, const LanguageStudent& student,
                  std::unique_ptr<LanguageTeacher> teacher, torch::Device device);

  StepReport step(const Batch& batch, const curriculum::StagePlan& plan) override;
  double learning_rate() const override { return optimizer_.learning_rate(); }
  void save(StateWriter writer) const override;
  void load(const StateReader& reader) override;

  // Mean KL(teacher || student) over the tokens of each sequence: what the disagreement filter goes by.
  std::vector<double> divergences(std::span<const Sequence> sequences) const;

  const LanguageTeacher* teacher() const { return teacher_.get(); }  // null: there is none
  // Called whenever the student's weights have changed: packed copies of them are stale.
  void on_step(std::function<void()> callback) { on_step_ = std::move(callback); }

 private:
  PredictedTokens forward(std::span<const Sequence> sequences) const;
  // The first term's mean over the counted tokens of each sequence -> [N].
  torch::Tensor main_losses(const PredictedTokens& predicted, std::span<const Sequence> sequences) const;
  // Adds the gradient of all terms; the first term's loss of each token -> [M].
  torch::Tensor backward(const PredictedTokens& predicted, std::span<const Sequence> sequences,
                         const torch::Tensor& weights, double total);

  LanguageLearnerOptions options_;
  const LanguageStudent& student_;
  std::unique_ptr<LanguageTeacher> teacher_;
  torch::Device device_;
  Optimizer optimizer_;
  std::function<void()> on_step_;
  std::int64_t steps_ = 0;
};

}  // namespace drystill::distiller
