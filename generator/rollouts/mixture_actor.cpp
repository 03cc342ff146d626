#include "generator/rollouts/mixture_actor.h"

#include <algorithm>

#include "core/error.h"
#include "core/stop_request.h"
#include "generator/rollouts/mixture_progress.h"
#include "language/sampling/generate.h"
#include "language/sampling/sampler.h"

namespace drystill::generator {
namespace {

using Ids = std::vector<std::int64_t>;

// Whether what was written ends here, and not for its length.
bool has_end(const Ids& ids, const Ids& stop_ids, const language::SamplingOptions& options,
             const language::PromptEncoder& encoder) {
  if (std::ranges::find(stop_ids, ids.back()) != stop_ids.end()) return true;
  if (std::ssize(ids) < options.min_new_tokens) return false;
  for (const std::string& text : options.stop_strings) {
    const std::size_t tail = std::min(ids.size(), text.size() + 1);  // a token is at least one byte
    if (encoder.decode(std::span(ids).last(tail)).find(text) != std::string::npos) return true;
  }
  return language::ends_in_loop(ids, options.loop_repeats, options.loop_period);
}

}  // namespace

std::vector<Written> MixtureActor::write(std::span<const Ids> prompts, const language::SamplingOptions& options) {
  const torch::NoGradGuard no_grad;
  language::check_sampling_options(options);
  Ids stop_ids = options.stop_ids;
  const auto& own = mixture_.models.front()->options().eos_tokens;
  stop_ids.insert(stop_ids.end(), own.begin(), own.end());
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
    const auto sampled = sampler.sample(progress.next_logits(), draws);
    for (std::size_t row = 0; row < all.size(); ++row) {
      Written& written = all[row];
      if (written.finished) continue;
      written.tokens.push_back(sampled.ids.const_data_ptr<std::int64_t>()[row]);
      written.log_probabilities.push_back(sampled.log_probs.const_data_ptr<float>()[row]);
      written.finished = has_end(written.tokens, stop_ids, options, encoder_);
      if (written.finished) --open;
    }
    progress.append(sampled.ids);
  }
  return all;
}

}  // namespace drystill::generator
