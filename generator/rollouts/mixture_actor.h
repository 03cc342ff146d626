#pragma once

#include <cstdint>
#include <limits>

#include "generator/rollouts/actor.h"
#include "language/models/model_mixture.h"
#include "language/sampling/writable_ids.h"
#include "language/views/prompt_encoder.h"

namespace drystill::generator {

// Several models that write as one: an ensemble, or a trust region's reference and student. The mixture's distribution
// is sampled as a single model's would be: temperature, top_k, top_p and min_p act on it. Only ids that the tokenizer
// has a token for are written.
class MixtureActor final : public Actor {
 public:
  // The mixture's models, as they are at each `write`, and `encoder` outlive the actor. batch: sequences side by side;
  // the text does not depend on it. words: no id from here on is written.
  MixtureActor(language::ModelMixture mixture, const language::PromptEncoder& encoder, std::int64_t batch,
               std::int64_t words = std::numeric_limits<std::int64_t>::max())
      : mixture_(std::move(mixture)), encoder_(encoder), batch_(batch), writable_(encoder.tokenizer(), words) {}

  std::vector<Written> write(std::span<const std::vector<std::int64_t>> prompts,
                             const language::SamplingOptions& options) override;

 private:
  void write_batch(std::span<const std::vector<std::int64_t>> prompts, const language::SamplingOptions& options,
                   std::int64_t first_sequence, std::span<Written> all);

  language::ModelMixture mixture_;
  const language::PromptEncoder& encoder_;
  std::int64_t batch_;
  language::WritableIds writable_;
};

}  // namespace drystill::generator
