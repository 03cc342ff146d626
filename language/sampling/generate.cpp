#include "language/sampling/generate.h"

#include <ATen/ops/index_select.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <c10/util/StringUtil.h>

#include <algorithm>
#include <map>

#include "core/error.h"
#include "core/stop_request.h"
#include "language/sampling/sampler.h"

namespace drystill::language {
namespace {

using Ids = std::vector<std::int64_t>;

// A sequence in progress.
struct Active {
  std::int64_t prompt;  // its index
  Sequence sequence;
  Ids unseen;          // tokens that the model has not been given yet
  bool is_new = true;  // those are the prompt
};

class Generation {
 public:
  Generation(const InferenceEngine& engine, std::span<const Ids> prompts, const SamplingOptions& options,
             const GenerateContext& context)
      : engine_(engine),
        prompts_(prompts),
        options_(options),
        context_(context),
        stop_ids_(stop_ids_of(engine.options(), options)),
        sampler_(options, stop_ids_),
        completions_(prompts.size()),
        start_(context.prefix ? engine.start(*context.prefix) : engine.start()) {}

  std::vector<Completion> run() {
    const auto total = static_cast<std::int64_t>(prompts_.size());
    if (context_.progress) context_.progress->start(total);
    while (next_ < total || !active_.empty()) {
      if (const int signal = stop_requested()) throw Interrupted(signal);
      admit();
      step();
      if (context_.progress) {
        context_.progress->update(next_ - static_cast<std::int64_t>(active_.size()), {});
      }
    }
    if (context_.progress) context_.progress->finish();
    for (std::size_t i = 0; i < kept_states_.size(); ++i) completions_[i].states = at::stack(kept_states_[i]);
    return std::move(completions_);
  }

 private:
  void admit() {
    const auto total = static_cast<std::int64_t>(prompts_.size());
    const std::int64_t batch = std::max<std::int64_t>(context_.batch, 1);
    while (next_ < total && static_cast<std::int64_t>(active_.size()) < batch) {
      active_.push_back({next_, start_.fork(), prompts_[next_]});
      ++next_;
    }
  }

  // The logits that follow each active sequence. Equal prompts go through the model once.
  torch::Tensor next_logits() {
    std::vector<TokenRun> runs;
    std::vector<std::int64_t> run_of_row;
    std::vector<std::pair<std::size_t, std::size_t>> forks;  // (row, row to fork from)
    std::map<Ids, std::size_t> leaders;
    for (std::size_t row = 0; row < active_.size(); ++row) {
      Active& active = active_[row];
      if (active.is_new) {
        const auto [leader, is_new] = leaders.try_emplace(active.unseen, row);
        if (!is_new) {
          forks.emplace_back(row, leader->second);
          run_of_row.push_back(run_of_row[leader->second]);
          continue;
        }
      }
      run_of_row.push_back(static_cast<std::int64_t>(runs.size()));
      runs.push_back({&active.sequence, active.unseen});
    }
    torch::Tensor states, logits = engine_.forward(runs, context_.keep_states ? &states : nullptr);
    for (const auto& [row, leader] : forks) active_[row].sequence = active_[leader].sequence.fork();
    if (!forks.empty()) {
      const torch::Tensor index = at::tensor(run_of_row, torch::kInt64);
      logits = logits.index_select(0, index);
      if (states.defined()) states = states.index_select(0, index);
    }
    if (states.defined()) keep(states.to(engine_.dtype()));
    return logits;
  }

  void keep(const torch::Tensor& states) {
    kept_states_.resize(prompts_.size());
    for (std::size_t row = 0; row < active_.size(); ++row) {
      kept_states_[active_[row].prompt].push_back(states[static_cast<std::int64_t>(row)]);
    }
  }

  void step() {
    torch::Tensor logits = next_logits();
    context_.writable.restrict(logits);
    std::vector<Draw> draws;
    for (const Active& active : active_) {
      const auto count = static_cast<std::int64_t>(completions_[active.prompt].ids.size());
      draws.push_back({context_.first_sequence + active.prompt, count, count < options_.min_new_tokens});
    }
    const SampledTokens sampled = sampler_.sample(logits, draws);
    const auto* ids = sampled.ids.const_data_ptr<std::int64_t>();
    const auto* log_probs = sampled.log_probs.const_data_ptr<float>();
    const auto* raw_log_probs = sampled.raw_log_probs.const_data_ptr<float>();
    std::size_t kept = 0;
    for (std::size_t row = 0; row < active_.size(); ++row) {
      Active& active = active_[row];
      Completion& completion = completions_[active.prompt];
      completion.ids.push_back(ids[row]);
      completion.log_probs.push_back(log_probs[row]);
      completion.raw_log_probs.push_back(raw_log_probs[row]);
      const bool last = is_finished(completion);
      if (context_.on_token) context_.on_token({active.prompt, ids[row], log_probs[row], last});
      if (last) continue;
      active.unseen = {ids[row]};
      active.is_new = false;
      if (kept != row) active_[kept] = std::move(active);
      ++kept;
    }
    active_.resize(kept);
  }

  bool is_finished(Completion& completion) const {
    const auto reason = ending_of(completion.ids, stop_ids_, options_, context_.decode);
    if (reason) completion.reason = *reason;
    return reason.has_value();
  }

  const InferenceEngine& engine_;
  std::span<const Ids> prompts_;
  const SamplingOptions& options_;
  const GenerateContext& context_;
  Ids stop_ids_;
  Sampler sampler_;
  std::vector<Completion> completions_;
  std::vector<std::vector<torch::Tensor>> kept_states_;  // of each completion, one a token
  Sequence start_;                                       // what every prompt stands behind
  std::vector<Active> active_;
  std::int64_t next_ = 0;  // prompts admitted so far
};

}  // namespace

void check_prompts(const TransformerOptions& model, std::span<const Ids> prompts, std::int64_t prefix,
                   const SamplingOptions& options) {
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    if (prompts[i].empty()) {
      throw InputError(c10::str("[language.generate] prompt ", i, " is empty; begin with the model's first token"));
    }
    for (const std::int64_t id : prompts[i]) {
      if (id >= 0 && id < model.vocab_size) continue;
      throw InputError(c10::str("[language.generate] token id ", id, " of prompt ", i,
                                " is outside the model's vocabulary of ", model.vocab_size));
    }
    const auto size = static_cast<std::int64_t>(prompts[i].size()) + prefix;
    if (options.max_new_tokens > model.max_positions - size) {
      throw InputError(c10::str("[language.generate] prompt ", i, " has ", size, " tokens",
                                prefix ? ", the prefix included" : "", "; with max_new_tokens ", options.max_new_tokens,
                                " it passes the model's ", model.max_positions, " positions; shorten one of them"));
    }
  }
}

std::vector<std::int64_t> stop_ids_of(const TransformerOptions& model, const SamplingOptions& options) {
  Ids ids = options.stop_ids;
  ids.insert(ids.end(), model.eos_tokens.begin(), model.eos_tokens.end());
  return ids;
}

std::optional<FinishReason> ending_of(std::span<const std::int64_t> ids, std::span<const std::int64_t> stop_ids,
                                      const SamplingOptions& options,
                                      const std::function<std::string(std::span<const std::int64_t>)>& decode) {
  if (std::ranges::find(stop_ids, ids.back()) != stop_ids.end()) return FinishReason::kStopId;
  if (std::ssize(ids) >= options.min_new_tokens) {
    for (const std::string& text : options.stop_strings) {
      const std::size_t tail = std::min(ids.size(), text.size() + 1);  // a token is at least one byte
      if (decode(ids.last(tail)).find(text) != std::string::npos) return FinishReason::kStopString;
    }
    if (ends_in_loop(ids, options.loop_repeats, options.loop_period)) return FinishReason::kLoop;
  }
  if (std::ssize(ids) >= options.max_new_tokens) return FinishReason::kLength;
  return std::nullopt;
}

bool ends_in_loop(std::span<const std::int64_t> ids, std::int64_t repeats, std::int64_t period) {
  if (repeats < 2) return false;
  const auto size = static_cast<std::int64_t>(ids.size());
  for (std::int64_t n = 1; n <= period && n <= size / repeats; ++n) {
    const auto tail = ids.last(n * repeats);
    if (std::equal(tail.begin() + n, tail.end(), tail.begin())) return true;
  }
  return false;
}

std::vector<Completion> generate(const InferenceEngine& engine, std::span<const std::vector<std::int64_t>> prompts,
                                 const SamplingOptions& options, const GenerateContext& context) {
  check_sampling_options(options);
  if (!options.stop_strings.empty() && !context.decode) {
    throw ConfigError("[language.generate] 'stop_strings' need a tokenizer that turns ids into text");
  }
  const std::int64_t prefix = context.prefix && !context.prefix->keys.empty() ? context.prefix->keys[0].size(2) : 0;
  check_prompts(engine.options(), prompts, prefix, options);
  return Generation(engine, prompts, options, context).run();
}

}  // namespace drystill::language
