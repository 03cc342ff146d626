#pragma once

#include "generator/rollouts/rollout_source.h"
#include "language/adapters/kv_prefix.h"
#include "language/models/model_mixture.h"
#include "language/sampling/writable_ids.h"
#include "language/views/prompt_encoder.h"

namespace drystill::generator {

// MiniLLM's token mixture (arXiv 2306.08543, minillm/sampler.py): y_t ~ alpha p_teacher + (1 - alpha) p_student, each
// model behind its own prompt. Both models run token by token with a KvCache. Only ids that the tokenizer has a token
// for and both models have rows for are written; both distributions are those over them.
class LanguageMixedActor final : public MixedActor {
 public:
  // All models share the vocabulary of `encoder`, padding aside, and outlive the actor with it. prefix: the student's,
  // as it is at each `write`; null: it has none.
  LanguageMixedActor(language::ModelMixture teacher, const language::CausalLm& student,
                     const language::PromptEncoder& encoder, const language::KvPrefix* prefix = nullptr);

  std::vector<Mixed> write(std::span<const std::vector<std::int64_t>> teacher_prompts,
                           std::span<const std::vector<std::int64_t>> student_prompts, double teacher_share,
                           const language::SamplingOptions& options) override;

 private:
  language::ModelMixture teacher_;
  const language::CausalLm& student_;
  const language::PromptEncoder& encoder_;
  const language::KvPrefix* prefix_;
  language::WritableIds writable_;
};

}  // namespace drystill::generator
