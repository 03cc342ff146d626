#pragma once

#include "generator/rollouts/actor.h"
#include "language/models/model_mixture.h"
#include "language/views/prompt_encoder.h"

namespace drystill::generator {

// Several models that write as one: an ensemble, or a trust region's reference and student. The mixture's distribution
// is sampled as a single model's would be: temperature, top_k, top_p and min_p act on it.
class MixtureActor final : public Actor {
 public:
  // The mixture's models, as they are at each `write`, and `encoder` outlive the actor.
  MixtureActor(language::ModelMixture mixture, const language::PromptEncoder& encoder)
      : mixture_(std::move(mixture)), encoder_(encoder) {}

  std::vector<Written> write(std::span<const std::vector<std::int64_t>> prompts,
                             const language::SamplingOptions& options) override;

 private:
  language::ModelMixture mixture_;
  const language::PromptEncoder& encoder_;
};

}  // namespace drystill::generator
