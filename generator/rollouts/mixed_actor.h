#pragma once

#include "generator/rollouts/rollout_source.h"
#include "language/models/model_mixture.h"

namespace drystill::generator {

// MiniLLM's token mixture (arXiv 2306.08543, minillm/sampler.py): y_t ~ alpha p_teacher + (1 - alpha) p_student, each
// model behind its own prompt. Both models run token by token with a KvCache.
class LanguageMixedActor final : public MixedActor {
 public:
  // All models share a vocabulary and outlive the actor.
  LanguageMixedActor(language::ModelMixture teacher, const language::CausalLm& student);

  std::vector<Mixed> write(std::span<const std::vector<std::int64_t>> teacher_prompts,
                           std::span<const std::vector<std::int64_t>> student_prompts, double teacher_share,
                           const language::SamplingOptions& options) override;

 private:
  language::ModelMixture teacher_;
  const language::CausalLm& student_;
};

}  // namespace drystill::generator
