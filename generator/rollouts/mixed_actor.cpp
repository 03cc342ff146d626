#include "generator/rollouts/mixed_actor.h"

#include <ATen/ops/logaddexp.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/error.h"
#include "core/stop_request.h"
#include "generator/rollouts/mixture_progress.h"
#include "language/sampling/generate.h"
#include "language/sampling/sampler.h"

namespace drystill::generator {
namespace {

using Prompts = std::span<const std::vector<std::int64_t>>;

}  // namespace

LanguageMixedActor::LanguageMixedActor(language::ModelMixture teacher, const language::CausalLm& student,
                                       const language::PromptEncoder& encoder, const language::KvPrefix* prefix)
    : teacher_(std::move(teacher)),
      student_(student),
      encoder_(encoder),
      prefix_(prefix),
      writable_(encoder.tokenizer()) {}

std::vector<MixedActor::Mixed> LanguageMixedActor::write(Prompts teacher_prompts, Prompts student_prompts,
                                                         double teacher_share,
                                                         const language::SamplingOptions& options) {
  const torch::NoGradGuard no_grad;
  const auto stop_ids = language::stop_ids_of(teacher_.models.front()->options(), options);
  // The temperature acts on each distribution; the mixture itself is sampled as it is.
  language::SamplingOptions mixture_options = options;
  mixture_options.temperature = 1;
  const double temperature = std::max(options.temperature, 1e-3);
  const language::Sampler sampler(mixture_options, stop_ids);
  const auto decode = [this](std::span<const std::int64_t> ids) { return encoder_.decode(ids); };

  MixtureProgress teacher(teacher_, teacher_prompts, options.max_new_tokens);
  MixtureProgress student(language::alone(student_), student_prompts, options.max_new_tokens, prefix_);
  std::vector<Mixed> mixed(teacher_prompts.size());
  std::vector<std::int64_t> open(mixed.size());  // which of all each row is
  std::iota(open.begin(), open.end(), 0);
  for (std::int64_t step = 0; step < options.max_new_tokens && !open.empty(); ++step) {
    if (const int signal = stop_requested()) throw Interrupted(signal);
    const torch::Tensor teacher_logits = teacher.next_logits(), student_logits = student.next_logits();
    const std::int64_t words = std::min(teacher_logits.size(1), student_logits.size(1));
    const auto log_probs = [&](const torch::Tensor& logits, double divisor) {
      torch::Tensor known = logits.narrow(1, 0, words);
      writable_.restrict(known);
      return (known / divisor).log_softmax(1);
    };
    const torch::Tensor log_teacher = log_probs(teacher_logits, temperature);
    const torch::Tensor log_student = log_probs(student_logits, temperature);
    const torch::Tensor log_mixture = at::logaddexp(log_teacher + std::log(std::max(teacher_share, 1e-30)),
                                                    log_student + std::log(std::max(1 - teacher_share, 1e-30)));
    std::vector<language::Draw> draws;
    draws.reserve(open.size());
    for (const std::int64_t i : open) {
      draws.push_back({.sequence = i, .step = step, .forbid_stop = step < options.min_new_tokens});
    }
    const auto sampled = sampler.sample(log_mixture, draws);
    const torch::Tensor chosen = sampled.ids.unsqueeze(1);
    const torch::Tensor chosen_student = log_student.gather(1, chosen).squeeze(1);
    torch::Tensor chosen_own;
    if (temperature != 1) chosen_own = log_probs(student_logits, 1).gather(1, chosen).squeeze(1);
    const torch::Tensor log_ratio = chosen_student - sampled.log_probs;  // of the mixture as cut by top_k, top_p, min_p
    std::vector<std::int64_t> rows, still_open;
    for (std::size_t row = 0; row < open.size(); ++row) {
      Mixed& one = mixed[static_cast<std::size_t>(open[row])];
      const std::int64_t id = sampled.ids.const_data_ptr<std::int64_t>()[row];
      one.written.tokens.push_back(id);
      one.written.log_probabilities.push_back(chosen_student.const_data_ptr<float>()[row]);
      if (chosen_own.defined()) {
        one.written.own_log_probabilities.push_back(chosen_own.const_data_ptr<float>()[row]);
      }
      one.importance.push_back(std::exp(log_ratio.const_data_ptr<float>()[row]));
      const auto reason = language::ending_of(one.written.tokens, stop_ids, options, decode);
      one.written.finished = reason && *reason != language::FinishReason::kLength;
      if (one.written.finished) continue;
      rows.push_back(static_cast<std::int64_t>(row));
      still_open.push_back(open[row]);
    }
    teacher.append(sampled.ids, rows);
    student.append(sampled.ids, rows);
    open = std::move(still_open);
  }
  return mixed;
}

}  // namespace drystill::generator
