#pragma once

#include <memory>

#include "core/seeds.h"
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
  // All arguments outlive it; the learner has a teacher. Throws what prompt sources, views and verifiers throw.
  RolloutParts(const DistillLanguageModel& options, const RunModels& models, const LanguageStudent& student,
               const LanguageLearner& learner, const generator::TextOpener& open_texts, SeedStreams& seeds);
  RolloutParts(const RolloutParts&) = delete;
  RolloutParts& operator=(const RolloutParts&) = delete;

  RolloutInput& input() { return *input_; }
  void student_changed();  // packed copies of weights are stale

 private:
  void add_adversary(const DistillLanguageModel& options, SeedStreams& seeds);

  language::PromptEncoder teacher_encoder_, student_encoder_;
  language::View teacher_view_, student_view_;
  const LanguageTeacher& teacher_;
  std::unique_ptr<generator::Actor> teacher_actor_;
  generator::LanguageActor* packed_teacher_ = nullptr;  // the same, where it is a single model
  std::unique_ptr<generator::AdversarialPrefix> adversary_;    // null where the rollouts have none
  std::unique_ptr<generator::LanguageActor> prefixed_teacher_;  // writes behind the adversary's prefix
  generator::LanguageActor student_actor_;
  generator::LanguageMixedActor mixed_actor_;
  std::unique_ptr<generator::RolloutSource> rollouts_;
  std::unique_ptr<RolloutInput> input_;
};

}  // namespace drystill::distiller
