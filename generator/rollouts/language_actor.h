#pragma once

#include <memory>
#include <optional>

#include "generator/rollouts/actor.h"
#include "language/models/causal_lm.h"
#include "language/sampling/inference_engine.h"
#include "language/views/prompt_encoder.h"

namespace drystill::generator {

// A language model that writes, through the inference engine. Its weights are packed at the first `write` after they
// changed.
class LanguageActor final : public Actor {
 public:
  // `model` and `encoder` outlive the actor. prefix: keys and values before every prompt, or null.
  LanguageActor(const language::CausalLm& model, const language::PromptEncoder& encoder, torch::ScalarType dtype,
                const language::PrefixKeyValues* prefix = nullptr);

  std::vector<Written> write(std::span<const std::vector<std::int64_t>> prompts,
                             const language::SamplingOptions& options) override;

  void weights_changed() { engine_.reset(); }

 private:
  const language::CausalLm& model_;
  const language::PromptEncoder& encoder_;
  torch::ScalarType dtype_;
  const language::PrefixKeyValues* prefix_;
  std::optional<language::InferenceEngine> engine_;
};

}  // namespace drystill::generator
