#pragma once

#include <memory>
#include <optional>

#include "generator/rollouts/actor.h"
#include "language/adapters/kv_prefix.h"
#include "language/models/causal_lm.h"
#include "language/sampling/inference_engine.h"
#include "language/views/prompt_encoder.h"

namespace drystill::generator {

// A language model that writes, through the inference engine. Its weights are packed at the first `write` after they
// changed.
class LanguageActor final : public Actor {
 public:
  // `model` and `encoder` outlive the actor. batch: sequences in progress at once. prefix: what stands before every
  // prompt, as it is at each `write`; or null. keep_states: in what it writes.
  LanguageActor(const language::CausalLm& model, const language::PromptEncoder& encoder, torch::ScalarType dtype,
                std::int64_t batch, const language::KvPrefix* prefix = nullptr, bool keep_states = false);

  std::vector<Written> write(std::span<const std::vector<std::int64_t>> prompts,
                             const language::SamplingOptions& options) override;

  void weights_changed() { engine_.reset(); }

 private:
  const language::CausalLm& model_;
  const language::PromptEncoder& encoder_;
  torch::ScalarType dtype_;
  std::int64_t batch_;
  const language::KvPrefix* prefix_;
  bool keep_states_;
  std::optional<language::InferenceEngine> engine_;
};

}  // namespace drystill::generator
