#include "generator/rollouts/mixture_actor.h"

#include "core/error.h"
#include "core/stop_request.h"
#include "generator/rollouts/mixture_progress.h"
#include "language/sampling/generate.h"
#include "language/sampling/sampler.h"

namespace drystill::generator {
std::vector<Written> MixtureActor::write(std::span<const std::vector<std::int64_t>> prompts,
                                         const language::SamplingOptions& options) {
  const torch::NoGradGuard no_grad;
  language::check_sampling_options(options);
  const auto stop_ids = language::stop_ids_of(mixture_.models.front()->options(), options);
  const auto decode = [this](std::span<const std::int64_t> ids) { return encoder_.decode(ids); };
  const language::Sampler sampler(options, stop_ids);
  MixtureProgress progress(mixture_, prompts, options.max_new_tokens);
  std::vector<Written> all(prompts.size());
  std::size_t open = all.size();
  for (std::int64_t step = 0; step < options.max_new_tokens && open > 0; ++step) {
    if (const int signal = stop_requested()) throw Interrupted(signal);
    std::vector<language::Draw> draws;
    for (std::int64_t row = 0; row < std::ssize(all); ++row) {
      draws.push_back({.sequence = row, .step = step, .forbid_stop = step < options.min_new_tokens});
    }
    torch::Tensor logits = progress.next_logits();
    writable_.restrict(logits);
    const auto sampled = sampler.sample(logits, draws);
    for (std::size_t row = 0; row < all.size(); ++row) {
      Written& written = all[row];
      if (written.finished) continue;
      written.tokens.push_back(sampled.ids.const_data_ptr<std::int64_t>()[row]);
      written.log_probabilities.push_back(sampled.log_probs.const_data_ptr<float>()[row]);
      const auto reason = language::ending_of(written.tokens, stop_ids, options, decode);
      written.finished = reason && *reason != language::FinishReason::kLength;
      if (written.finished) --open;
    }
    progress.append(sampled.ids);
  }
  return all;
}

}  // namespace drystill::generator
