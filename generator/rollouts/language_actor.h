#pragma once

#include <cstdint>
#include <limits>
#include <optional>

#include "generator/rollouts/actor.h"
#include "language/adapters/kv_prefix.h"
#include "language/models/causal_lm.h"
#include "language/sampling/inference_engine.h"
#include "language/sampling/writable_ids.h"
#include "language/views/prompt_encoder.h"

namespace drystill::generator {

struct LanguageActorOptions {
  torch::ScalarType dtype = torch::kFloat32;
  std::int64_t batch = 64;                                        // sequences in progress at once
  const language::KvPrefix* prefix = nullptr;                     // before every prompt, as it is at each `write`
  bool keep_states = false;                                       // in what it writes
  std::int64_t words = std::numeric_limits<std::int64_t>::max();  // no id from here on is written: readers lack it
};

// A language model that writes, through the inference engine. Its weights are packed at the first `write` after they
// changed. It writes only ids that its tokenizer has a token for.
class LanguageActor final : public Actor {
 public:
  // `model`, `encoder` and the prefix outlive the actor.
  LanguageActor(const language::CausalLm& model, const language::PromptEncoder& encoder,
                const LanguageActorOptions& options = {});

  std::vector<Written> write(std::span<const std::vector<std::int64_t>> prompts,
                             const language::SamplingOptions& options) override;

  void weights_changed() { engine_.reset(); }

 private:
  const language::CausalLm& model_;
  const language::PromptEncoder& encoder_;
  LanguageActorOptions options_;
  language::WritableIds writable_;
  std::optional<language::InferenceEngine> engine_;
};

}  // namespace drystill::generator
