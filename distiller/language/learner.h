#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "core/optimizer.h"
#include "distiller/language/options.h"
#include "distiller/language/predicted_tokens.h"
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
  std::optional<PlainTextOptions> plain_text;
  bool shared_vocabulary = true;  // false: `universal_logit` is the only term that compares
  std::int64_t cached_words = 0;  // of a cached teacher's vocabulary
};

struct RunModels;
LanguageLearnerOptions learner_options(const DistillLanguageModel& options, const RunModels& models);

// One step of a language student on the completions of a batch: both views, the loss on every token of the completion,
// averaged over the whole optimizer batch however small the micro-batches are.
class LanguageLearner final : public Learner {
 public:
  // `student` outlives the learner. teacher: null where the sequences know its likeliest words, or where the loss is
  // cross-entropy alone. ConfigError for layers of hidden_statistics or hidden_states that are not there.
  LanguageLearner(const LanguageLearnerOptions& options, const LanguageStudent& student,
                  std::unique_ptr<LanguageTeacher> teacher, torch::Device device);

  StepReport step(const Batch& batch, const curriculum::StagePlan& plan) override;
  double learning_rate() const override { return optimizer_.learning_rate(); }
  void save(StateWriter writer) const override;
  void load(const StateReader& reader) override;

  // Mean KL(teacher || student) over the tokens of each sequence (two vocabularies: the universal logit distance): what
  // the disagreement filter goes by.
  std::vector<double> divergences(std::span<const Sequence> sequences) const;

  // Writes the teacher's k likeliest words of every token into the sequences, which then need no teacher.
  void remember(std::span<Sequence> sequences, std::int64_t k) const;

  const LanguageTeacher* teacher() const { return teacher_.get(); }  // null: none, or cached
  std::int64_t words() const { return predictor_.words(); }          // of the vocabulary that both models know
  // Called whenever the student's weights have changed: packed copies of them are stale.
  void on_step(std::function<void()> callback) { on_step_ = std::move(callback); }

 private:
  // What a micro-batch is given where the policy needs the whole batch.
  struct Policy {
    TeacherTokens teacher;
    torch::Tensor advantages;  // [M]
  };
  using Part = std::span<const Sequence>;

  // Adds the gradient of all of a batch's completions, whose losses are divided by `total`; what the step reports.
  StepReport learn(Part all, double total, const curriculum::StagePlan& plan);
  // Adds the gradient of the plain text's loss -> its mean over the tokens, [].
  torch::Tensor learn_plain_text(Part all);
  // One for each part; none where every micro-batch knows enough.
  std::vector<Policy> whitened(const std::vector<Part>& parts) const;
  // The first term's mean over the counted tokens of each sequence -> [N].
  torch::Tensor main_losses(const PredictedTokens& predicted, Part sequences) const;
  // The policy gradient as weights of a cross-entropy -> [M].
  torch::Tensor policy_of(const PredictedTokens& predicted, Part sequences, torch::Tensor known_advantages) const;
  // `weights`, times the importance that the options ask for -> [M].
  torch::Tensor divergence_weights(const PredictedTokens& predicted, Part sequences,
                                   const torch::Tensor& weights) const;
  // Adds the gradient of all terms; the first term's loss of each token -> [M].
  torch::Tensor backward(const PredictedTokens& predicted, Part sequences, const torch::Tensor& weights, double total,
                         const torch::Tensor& known_advantages);

  LanguageLearnerOptions options_;
  const LanguageStudent& student_;
  std::unique_ptr<LanguageTeacher> teacher_;
  TokenPredictor predictor_;
  torch::Device device_;
  Optimizer optimizer_;
  std::function<void()> on_step_;
  std::int64_t steps_ = 0;
};

}  // namespace drystill::distiller
