#include "distiller/language/rollout_input.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/stack.h>

#include <algorithm>

#include "core/error.h"
#include "distiller/replay.h"
#include "generator/rollouts/shuffled_order.h"

namespace drystill::distiller {
namespace {

double share(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

// The student's prompt but its first token becomes the begin of the completion.
void learn_prompt(Sequence& sequence) {
  auto& prompt = sequence.student_prompt;
  sequence.completion.insert(sequence.completion.begin(), prompt.begin() + 1, prompt.end());
  prompt.resize(1);
  sequence.teacher_prompt = prompt;
}

}  // namespace

RolloutInput::RolloutInput(const RolloutInputOptions& options, generator::RolloutSource& rollouts,
                           const language::View& teacher_view, const language::View& student_view, Teacher teacher,
                           SeedStreams& seeds, generator::AdversarialPrefix* adversary)
    : options_(options),
      rollouts_(rollouts),
      teacher_view_(teacher_view),
      student_view_(student_view),
      teacher_(std::move(teacher)),
      adversary_(adversary),
      seeds_(seeds),
      replay_draws_(seeds.cpu_stream("replay.draw")),
      pass_order_(seeds.cpu_stream("rollouts.passes")),
      bank_(options.replay) {}

// Both views' prompts, and of the completion as much as fits behind the longer one. Rollouts that a view cannot render
// are left out: nobody in their group was right, say, and the teacher was to see a sibling. So are those whose prompt
// fills `longest`.
RolloutInput::Rendered RolloutInput::render(const std::vector<generator::Rollout>& rollouts) const {
  Rendered rendered;
  for (const generator::Rollout& rollout : rollouts) {
    auto teacher_prompt = teacher_view_.prompt(rollout.item), student_prompt = student_view_.prompt(rollout.item);
    if (!teacher_prompt || !student_prompt) continue;
    Sequence sequence{.teacher_prompt = std::move(*teacher_prompt),
                      .student_prompt = std::move(*student_prompt),
                      .completion = rollout.completion,
                      .sampler_log_probabilities = rollout.log_probabilities,
                      .importance = rollout.importance,
                      .weight = rollout.weight,
                      .teacher_states = rollout.states};
    if (options_.own_log_probabilities) sequence.own_log_probabilities = rollout.own_log_probabilities;
    if (options_.tokenizers && !translate_completion(*options_.tokenizers, rollout.by_student, sequence)) continue;
    if (options_.learn_prompts) learn_prompt(sequence);
    if (std::ssize(sequence.completion) <= options_.skip_first) continue;  // nothing of it has a loss
    const std::int64_t prompt = std::max(std::ssize(sequence.teacher_prompt), std::ssize(sequence.student_prompt));
    const std::int64_t room = options_.longest - prompt;
    if (room <= 0) continue;
    cut(sequence, static_cast<std::size_t>(room));
    rendered.sequences.push_back(std::move(sequence));
    rendered.origins.push_back(&rollout);
  }
  return rendered;
}

// Both models see the text without the prefix: the sequence is what they saw.
void RolloutInput::teach_adversary(const Rendered& rendered, std::span<const double> divergences) {
  std::vector<generator::AdversarialSample> samples;
  for (std::size_t i = 0; i < rendered.sequences.size(); ++i) {
    const Sequence& sequence = rendered.sequences[i];
    const generator::Rollout& rollout = *rendered.origins[i];
    samples.push_back({.prompt = sequence.teacher_prompt,
                       .completion = sequence.completion,
                       .greedy_tokens = rollout.greedy_tokens,
                       .group = rollout.group,
                       .disagreement = divergences[i]});
  }
  const auto report = adversary_->learn(samples, rendered.origins.front()->temperature);
  newest_.emplace_back("adversary_reward", report.reward);
  newest_.emplace_back("adversary_divergence", report.disagreement);
  newest_.emplace_back("adversary_surprise", report.surprise);
  newest_.emplace_back("adversary_entropy", report.entropy);
}

void RolloutInput::keep_window(std::vector<Sequence> sequences, std::span<const double> divergences,
                               const curriculum::RolloutPlan& plan) {
  double kept_divergence = 0, divergence = 0;
  for (const double value : divergences) divergence += value;
  auto kept = curriculum::select_window({divergences.begin(), divergences.end()}, plan);
  std::ranges::sort(kept);  // as they were drawn: within a draw nothing ramps
  for (const std::int64_t i : kept) {
    kept_divergence += divergences[static_cast<std::size_t>(i)];
    waiting_.push_back(std::move(sequences[static_cast<std::size_t>(i)]));
  }
  newest_.emplace_back("candidate_divergence",
                       divergence / static_cast<double>(std::max<std::size_t>(divergences.size(), 1)));
  newest_.emplace_back("kept_divergence", kept_divergence / static_cast<double>(std::max<std::size_t>(kept.size(), 1)));
}

// The sequences that wait from `begin` on come again, in another order for each further pass.
void RolloutInput::repeat(std::size_t begin) {
  if (options_.passes == 1) return;
  const std::vector<Sequence> draw(waiting_.begin() + static_cast<std::ptrdiff_t>(begin), waiting_.end());
  generator::ShuffledOrder order(std::ssize(draw), pass_order_);
  for (std::int64_t i = 0; i < (options_.passes - 1) * std::ssize(draw); ++i) waiting_.push_back(draw[order.next()]);
}

RowSize RolloutInput::row_size() const {
  return {.longest = options_.longest,
          .top_k = options_.top_k,
          .own_log_probabilities = options_.own_log_probabilities,
          .two_tokenizers = options_.tokenizers.has_value()};
}

// Writing takes seconds to minutes. A signal that ends it half-way takes back what the draw has used up, so that what
// is saved then begins the same draw again.
std::vector<generator::Rollout> RolloutInput::draw(const generator::RolloutRequest& request) {
  State before;
  rollouts_.save(StateWriter(before, "rollouts."));
  seeds_.save(StateWriter(before, "seeds."));
  try {
    return rollouts_.draw(request);
  } catch (const Interrupted&) {
    rollouts_.load(StateReader(before, "rollouts."));
    seeds_.load(StateReader(before, "seeds."));
    throw;
  }
}

// Draws until `needed` sequences wait. Interrupted after some of its draws it goes on in the next life, since fewer
// wait.
void RolloutInput::refill(std::int64_t needed, const curriculum::StagePlan& plan) {
  constexpr int kAttempts = 20;
  const curriculum::RolloutPlan rollout_plan = curriculum::plan_rollouts(options_.ramps, plan.progress);
  for (int attempt = 0; std::ssize(waiting_) < needed && attempt < kAttempts * options_.batch; ++attempt) {
    // A draw of one step, of which something was left out, is made up for by as much: what waited for the next step
    // would be of an older student.
    const std::int64_t missing = needed - std::ssize(waiting_);
    const std::int64_t count = options_.draw <= options_.batch ? std::min(options_.draw, missing) : options_.draw;
    const auto drawn = draw({.count = count * options_.candidates,
                             .batch = options_.batch * options_.candidates,
                             .length_factor = rollout_plan.length,
                             .temperature_factor = rollout_plan.temperature});
    std::int64_t tokens = 0, finished = 0;
    for (const generator::Rollout& rollout : drawn) {
      tokens += std::ssize(rollout.completion);
      finished += rollout.finished ? 1 : 0;
    }
    tokens_written_ += tokens;
    newest_ = {{"completion_tokens", share(tokens, std::ssize(drawn))},
               {"finished", share(finished, std::ssize(drawn))}};
    if (const auto accepted = rollouts_.accepted_share()) newest_.emplace_back("accepted", *accepted);

    Rendered rendered = render(drawn);
    const std::int64_t all = std::ssize(drawn) + rollouts_.left_out();
    newest_.emplace_back("left_out", share(all - std::ssize(rendered.sequences), all));
    if (rendered.sequences.empty()) continue;
    const bool keeps_all = rollout_plan.window_low <= 0 && rollout_plan.window_high >= 1;
    std::vector<double> divergences;
    if (!keeps_all || adversary_ != nullptr) divergences = teacher_.divergences(rendered.sequences);
    if (adversary_ != nullptr) teach_adversary(rendered, divergences);
    const std::size_t begin = waiting_.size();
    if (keeps_all) {
      std::ranges::move(rendered.sequences, std::back_inserter(waiting_));
    } else {
      keep_window(std::move(rendered.sequences), divergences, rollout_plan);
    }
    repeat(begin);
  }
  if (waiting_.empty()) {
    throw RunError("[distiller.RolloutInput] no rollout has both views' texts and fits into " +
                   std::to_string(options_.longest) +
                   " tokens; raise `longest`, shorten the prompts, or set `fallback_to_prompt` in the views");
  }
}

Batch RolloutInput::next(const curriculum::StagePlan& plan) {
  const std::int64_t replayed = replayed_count(options_.replay, bank_, options_.batch);
  const std::int64_t fresh = options_.batch - replayed;
  if (std::ssize(waiting_) < fresh) refill(fresh, plan);

  Batch batch;
  for (std::int64_t i = 0; i < fresh && !waiting_.empty(); ++i) {
    batch.sequences.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  if (options_.replay.capacity == 0) return batch;
  if (options_.top_k > 0) teacher_.remember(batch.sequences, options_.top_k);

  std::vector<torch::Tensor> rows;
  for (const Sequence& sequence : batch.sequences) rows.push_back(encode(sequence, row_size()));
  const std::int64_t fresh_count = std::ssize(batch.sequences);
  torch::Tensor drawn;
  if (replayed > 0) {
    const auto draw = bank_.draw(replayed, replay_draws_);
    for (std::int64_t i = 0; i < replayed; ++i) batch.sequences.push_back(decode(draw.samples[i]));
    drawn = draw.slots;
  }
  batch.bank_slots = slots_of_batch(fresh_count, drawn);
  if (fresh_count > 0 && plan.step % options_.replay.store_every == 0) {
    store_fresh(bank_, at::stack(rows), batch.bank_slots);
  }
  return batch;
}

void RolloutInput::observe(const Batch& batch, const StepReport& report) {
  reweigh(bank_, options_.replay, batch, report);
}

Metrics RolloutInput::take_metrics() {
  Metrics metrics = std::move(newest_);
  newest_.clear();
  return metrics;
}

void RolloutInput::save(StateWriter writer) const {
  rollouts_.save(writer.part("rollouts"));
  bank_.save(writer.part("bank"));
  if (adversary_ != nullptr) adversary_->save(writer.part("adversary"));
  writer.integer("tokens_written", tokens_written_);
  writer.integer("waiting_sequences", std::ssize(waiting_));
  if (!waiting_.empty()) {
    std::vector<torch::Tensor> encoded;
    std::vector<std::int64_t> lengths;
    for (const Sequence& sequence : waiting_) lengths.push_back(encoded.emplace_back(encode(sequence)).size(0));
    writer.tensor("waiting_encoded", at::cat(encoded));
    writer.tensor("waiting_lengths", at::tensor(lengths, torch::kInt64));
  }
  if (states_are_known(waiting_)) {
    std::vector<torch::Tensor> states;
    for (const Sequence& sequence : waiting_) states.push_back(sequence.teacher_states);
    writer.tensor("waiting_states", at::cat(states));
  }
  save_metrics(writer, "metric", newest_);
}

void RolloutInput::load(const StateReader& reader) {
  waiting_.clear();
  if (reader.integer("waiting_sequences") > 0) {
    const torch::Tensor encoded = reader.tensor("waiting_encoded"), lengths = reader.tensor("waiting_lengths");
    std::int64_t begin = 0;
    for (std::int64_t i = 0; i < lengths.size(0); ++i) {
      const auto length = lengths[i].item<std::int64_t>();
      if (length < 0 || begin + length > encoded.size(0)) {
        throw InputError("the saved sequences that wait are damaged: their lengths pass what was saved");
      }
      waiting_.push_back(decode(encoded.narrow(0, begin, length)));
      begin += length;
    }
  }
  rollouts_.load(reader.part("rollouts"));
  bank_.load(reader.part("bank"), torch::kCPU);
  if (adversary_ != nullptr) adversary_->load(reader.part("adversary"));
  tokens_written_ = reader.integer("tokens_written");
  if (reader.has_tensor("waiting_states")) {
    const torch::Tensor states = reader.tensor("waiting_states").clone();
    std::int64_t begin = 0;
    for (Sequence& sequence : waiting_) {
      sequence.teacher_states = states.narrow(0, begin, std::ssize(sequence.completion));
      begin += std::ssize(sequence.completion);
    }
  }
  newest_ = load_metrics(reader, "metric");
}

}  // namespace drystill::distiller
