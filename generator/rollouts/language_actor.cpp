#include "generator/rollouts/language_actor.h"

#include <algorithm>

#include "language/sampling/generate.h"

namespace drystill::generator {

LanguageActor::LanguageActor(const language::CausalLm& model, const language::PromptEncoder& encoder,
                             const LanguageActorOptions& options)
    : model_(model), encoder_(encoder), options_(options), writable_(encoder.tokenizer(), options.words) {}

std::vector<Written> LanguageActor::write(std::span<const std::vector<std::int64_t>> prompts,
                                          const language::SamplingOptions& options) {
  const torch::NoGradGuard no_grad;
  if (!engine_) engine_.emplace(model_, options_.dtype);
  language::GenerateContext context{
      .batch = options_.batch, .writable = writable_, .keep_states = options_.keep_states};
  std::optional<language::PrefixKeyValues> before;
  if (options_.prefix != nullptr) context.prefix = &before.emplace(options_.prefix->key_values());
  context.decode = [this](std::span<const std::int64_t> tokens) { return encoder_.decode(tokens); };
  std::vector<Written> written;
  for (language::Completion& completion : language::generate(*engine_, prompts, options, context)) {
    const bool finished = completion.reason != language::FinishReason::kLength;
    Written& one = written.emplace_back();
    one.tokens = std::move(completion.ids);
    one.log_probabilities = std::move(completion.log_probs);
    one.finished = finished;
    if (!language::samples_the_model(options)) one.own_log_probabilities = std::move(completion.raw_log_probs);
    one.states = completion.states;
  }
  return written;
}

}  // namespace drystill::generator
