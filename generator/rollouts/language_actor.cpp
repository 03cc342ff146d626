#include "generator/rollouts/language_actor.h"

#include <algorithm>

#include "language/sampling/generate.h"

namespace drystill::generator {

LanguageActor::LanguageActor(const language::CausalLm& model, const language::PromptEncoder& encoder,
                             torch::ScalarType dtype, std::int64_t batch, const language::KvPrefix* prefix,
                             bool keep_states)
    : model_(model), encoder_(encoder), dtype_(dtype), batch_(batch), prefix_(prefix), keep_states_(keep_states) {}

std::vector<Written> LanguageActor::write(std::span<const std::vector<std::int64_t>> prompts,
                                          const language::SamplingOptions& options) {
  const torch::NoGradGuard no_grad;
  if (!engine_) engine_.emplace(model_, dtype_);
  language::GenerateContext context{.batch = batch_, .keep_states = keep_states_};
  std::optional<language::PrefixKeyValues> before;
  if (prefix_ != nullptr) context.prefix = &before.emplace(prefix_->key_values());
  context.decode = [this](std::span<const std::int64_t> tokens) { return encoder_.decode(tokens); };
  std::vector<Written> written;
  for (language::Completion& completion : language::generate(*engine_, prompts, options, context)) {
    const bool finished = completion.reason != language::FinishReason::kLength;
    written.push_back({std::move(completion.ids), std::move(completion.log_probs), finished, completion.states});
  }
  return written;
}

}  // namespace drystill::generator
