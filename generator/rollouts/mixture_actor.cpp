#include "generator/rollouts/mixture_actor.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/error.h"
#include "core/stop_request.h"
#include "generator/rollouts/mixture_progress.h"
#include "language/sampling/generate.h"
#include "language/sampling/sampler.h"

namespace drystill::generator {

std::vector<Written> MixtureActor::write(std::span<const std::vector<std::int64_t>> prompts,
                                         const language::SamplingOptions& options) {
  language::check_sampling_options(options);
  for (const auto* model : mixture_.models) language::check_prompts(model->options(), prompts, 0, options);
  std::vector<Written> all(prompts.size());
  const auto batch = static_cast<std::size_t>(batch_);
  for (std::size_t begin = 0; begin < all.size(); begin += batch) {
    const std::size_t count = std::min(batch, all.size() - begin);
    write_batch(prompts.subspan(begin, count), options, static_cast<std::int64_t>(begin),
                std::span(all).subspan(begin, count));
  }
  return all;
}

void MixtureActor::write_batch(std::span<const std::vector<std::int64_t>> prompts,
                               const language::SamplingOptions& options, std::int64_t first_sequence,
                               std::span<Written> all) {
  const torch::NoGradGuard no_grad;
  const auto stop_ids = language::stop_ids_of(mixture_.models.front()->options(), options);
  const auto decode = [this](std::span<const std::int64_t> ids) { return encoder_.decode(ids); };
  const language::Sampler sampler(options, stop_ids);
  MixtureProgress progress(mixture_, prompts, options.max_new_tokens);
  std::vector<std::int64_t> open(all.size());  // which of all each row is
  std::iota(open.begin(), open.end(), 0);
  for (std::int64_t step = 0; step < options.max_new_tokens && !open.empty(); ++step) {
    if (const int signal = stop_requested()) throw Interrupted(signal);
    std::vector<language::Draw> draws;
    draws.reserve(open.size());
    for (const std::int64_t i : open) {
      draws.push_back({.sequence = first_sequence + i, .step = step, .forbid_stop = step < options.min_new_tokens});
    }
    torch::Tensor logits = progress.next_logits();
    writable_.restrict(logits);
    const auto sampled = sampler.sample(logits, draws);
    std::vector<std::int64_t> rows, still_open;
    for (std::size_t row = 0; row < open.size(); ++row) {
      Written& written = all[static_cast<std::size_t>(open[row])];
      written.tokens.push_back(sampled.ids.const_data_ptr<std::int64_t>()[row]);
      written.log_probabilities.push_back(sampled.log_probs.const_data_ptr<float>()[row]);
      const auto reason = language::ending_of(written.tokens, stop_ids, options, decode);
      written.finished = reason && *reason != language::FinishReason::kLength;
      if (written.finished) continue;
      rows.push_back(static_cast<std::int64_t>(row));
      still_open.push_back(open[row]);
    }
    progress.append(sampled.ids, rows);
    open = std::move(still_open);
  }
}

}  // namespace drystill::generator
