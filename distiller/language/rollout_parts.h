#pragma once

#include <memory>

#include "core/progress.h"
#include "core/seeds.h"
#include "distiller/language/context_limits.h"
#include "distiller/language/learner.h"
#include "distiller/language/options.h"
#include "distiller/language/rollout_input.h"
#include "distiller/language/run_models.h"
#include "generator/rollouts/adversarial_prefix.h"
#include "generator/rollouts/language_actor.h"
#include "generator/rollouts/mixed_actor.h"
#include "generator/rollouts/rollout_source.h"

namespace drystill::distiller {

// Everything that writes sequences for a learner: prompts, both actors, both views, the input source. One object, since
// its pieces hold references to each other.
class RolloutParts {
 public:
  // All arguments outlive it. Where the learner has no teacher the student stands in for it as an author.
  // learn_prompts: as RolloutInputOptions say. Throws what prompt sources, views and verifiers throw, and ConfigError
  // where `longest` does not fit the models.
  RolloutParts(const DistillLanguageModel& options, const RunModels& models, const LanguageStudent& student,
               const LanguageLearner& learner, const generator::TextOpener& open_texts, SeedStreams& seeds,
               Progress& progress, bool learn_prompts = false);
  RolloutParts(const RolloutParts&) = delete;
  RolloutParts& operator=(const RolloutParts&) = delete;

  RolloutInput& input() { return *input_; }  // of a cached teacher there is none
  generator::Actor& student_actor() { return student_actor_; }
  const language::View& student_view() const { return student_view_; }
  const language::PromptEncoder& student_encoder() const { return student_encoder_; }
  void student_changed();  // packed copies of weights are stale

 private:
  void add_adversary(const DistillLanguageModel& options, torch::ScalarType dtype, SeedStreams& seeds);

  language::PromptEncoder teacher_encoder_, student_encoder_;
  language::View teacher_view_, student_view_;
  language::ModelMixture authors_;  // the teacher's models
  ContextLimits limits_;
  std::int64_t words_;  // rows that every reader of what is written has
  bool student_moves_;  // its model: a prefix is read as it is at each write
  bool teacher_moves_;
  std::unique_ptr<generator::Actor> teacher_actor_;
  generator::LanguageActor* packed_teacher_ = nullptr;          // the same, where it is a single model
  std::unique_ptr<generator::AdversarialPrefix> adversary_;     // null where the rollouts have none
  std::unique_ptr<generator::LanguageActor> prefixed_teacher_;  // writes behind the adversary's prefix
  generator::LanguageActor student_actor_;
  generator::LanguageMixedActor mixed_actor_;
  std::unique_ptr<generator::RolloutSource> rollouts_;
  std::unique_ptr<RolloutInput> input_;
};

}  // namespace drystill::distiller
