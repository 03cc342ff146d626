#include "generator/rollouts/rollout_source.h"

#include <ATen/ops/cat.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "core/error.h"
#include "core/stop_request.h"
#include "generator/rollouts/answer_text.h"
#include "generator/rollouts/random_numbers.h"

namespace drystill::generator {
namespace {

using Tokens = std::vector<std::int64_t>;

constexpr char kSibling[] = "sibling";

void append(Rollout& rollout, const Written& written) {
  rollout.completion.insert(rollout.completion.end(), written.tokens.begin(), written.tokens.end());
  rollout.log_probabilities.insert(rollout.log_probabilities.end(), written.log_probabilities.begin(),
                                   written.log_probabilities.end());
  rollout.own_log_probabilities.insert(rollout.own_log_probabilities.end(), written.own_log_probabilities.begin(),
                                       written.own_log_probabilities.end());
  rollout.finished = written.finished;
  if (written.states.defined()) {
    rollout.states = rollout.states.defined() ? at::cat({rollout.states, written.states}) : written.states;
  }
}

Tokens joined(Tokens prompt, const Tokens& completion) {
  prompt.insert(prompt.end(), completion.begin(), completion.end());
  return prompt;
}

// Continues the chosen rollouts.
void continue_chosen(Actor& actor, std::vector<Rollout>& rollouts, const std::vector<std::size_t>& chosen,
                     const std::vector<Tokens>& prompts, language::SamplingOptions sampling,
                     const at::Generator& random) {
  std::vector<Tokens> inputs;
  inputs.reserve(chosen.size());
  for (const std::size_t i : chosen) inputs.push_back(joined(prompts[i], rollouts[i].completion));
  sampling.seed = random_seed(random);
  const auto written = actor.write(inputs, sampling);
  for (std::size_t i = 0; i < chosen.size(); ++i) append(rollouts[chosen[i]], written[i]);
}

// Gives every item the answer of the first accepted other rollout of its group. texts: one a rollout.
void set_siblings(std::vector<Rollout>& rollouts, const std::vector<std::string>& texts) {
  std::map<std::int64_t, std::vector<std::size_t>> accepted;  // by group
  for (std::size_t i = 0; i < rollouts.size(); ++i) {
    if (rollouts[i].reward == 1) accepted[rollouts[i].group].push_back(i);
  }
  for (std::size_t i = 0; i < rollouts.size(); ++i) {
    const auto right = accepted.find(rollouts[i].group);
    if (right == accepted.end()) continue;
    const auto other = std::ranges::find_if(right->second, [i](std::size_t candidate) { return candidate != i; });
    if (other == right->second.end()) continue;
    rollouts[i].item.fields[kSibling] = trimmed(without_thinking(texts[*other]));
  }
}

std::string most_frequent(const std::map<std::string, std::int64_t>& counts) {
  return std::ranges::max_element(counts, {}, [](const auto& count) { return count.second; })->first;
}

}  // namespace

RolloutSource::RolloutSource(const RolloutOptions& options, RolloutParts parts)
    : options_(options),
      parts_(std::move(parts)),
      author_random_(parts_.seeds.cpu_stream("rollout.author")),
      sampling_random_(parts_.seeds.cpu_stream("rollout.sampling")),
      verifier_(make_verifier(options.verifier)) {
  constexpr std::int64_t kSteps = 1000;
  if (!options.learn_only.empty()) answer_.emplace("rollout.learn_only", options.learn_only, kSteps);
}

Author RolloutSource::current_author(std::int64_t batch) {
  if (options_.author != Author::kMixture) return options_.author;
  if (author_left_ > 0) return author_;
  author_ = random_unit(author_random_) < options_.student_share ? Author::kStudent
            : options_.mixture_with == MixturePartner::kFixed    ? Author::kFixed
                                                                 : Author::kTeacher;
  author_left_ = options_.mixture_per == MixtureUnit::kSequence ? options_.group : std::max(batch, options_.group);
  return author_;
}

language::SamplingOptions RolloutSource::sampling_of(const RolloutRequest& request) const {
  language::SamplingOptions sampling = options_.sampling;
  sampling.temperature *= request.temperature_factor;
  sampling.max_new_tokens = std::max<std::int64_t>(
      1, std::llround(static_cast<double>(options_.sampling.max_new_tokens) * request.length_factor));
  sampling.min_new_tokens = std::min(sampling.min_new_tokens, sampling.max_new_tokens);
  return sampling;
}

// Whether the author can write that much behind a prompt of that length. Says so the first time that it cannot.
bool RolloutSource::fits(const language::Item& item, std::int64_t prompt, std::int64_t new_tokens, Author author) {
  const bool student = author == Author::kStudent;
  const std::int64_t room = student ? parts_.student_room : parts_.teacher_room;
  if (prompt + new_tokens <= room) return true;
  if (too_long_.empty()) {
    too_long_ = (item.origin.empty() ? std::string("rollout") : item.origin) + ": the prompt has " +
                std::to_string(prompt) + " tokens; with rollout.sampling.max_new_tokens " + std::to_string(new_tokens) +
                " it passes the " + (student ? "student" : "teacher") + "'s " + std::to_string(room) +
                " positions; shorten one of them";
    if (parts_.progress != nullptr) parts_.progress->message("warning: " + too_long_ + " (such prompts are left out)");
  }
  return false;
}

// Whether the author can see the item now and has room behind it, and both models can see it once it has what is known
// of it after writing.
bool RolloutSource::is_usable(const language::Item& item, Author author, std::int64_t new_tokens) {
  const bool teacher_writes = author == Author::kTeacher || author == Author::kTokenMixture;
  const bool student_writes = author == Author::kStudent || author == Author::kTokenMixture;
  language::Item later = item;
  if (verifier_ && options_.group > 1) later.fields.emplace(kSibling, "text of another completion");
  const auto teachers = parts_.teacher_view.prompt(teacher_writes ? item : later);
  const auto students = parts_.student_view.prompt(student_writes ? item : later);
  return teachers && students && (!teacher_writes || fits(item, std::ssize(*teachers), new_tokens, Author::kTeacher)) &&
         (!student_writes || fits(item, std::ssize(*students), new_tokens, Author::kStudent));
}

const language::PromptEncoder& RolloutSource::encoder_of(const Rollout& rollout) const {
  const bool teachers = parts_.teacher_encoder != nullptr && !rollout.by_student;
  return teachers ? *parts_.teacher_encoder : parts_.encoder;
}

// Without the stop string that ended it.
std::string RolloutSource::text_of(const Rollout& rollout) const {
  const language::PromptEncoder& encoder = encoder_of(rollout);
  std::string text = encoder.decode(rollout.completion);
  if (!rollout.finished || options_.sampling.stop_strings.empty()) return text;
  // Among the first tokens a stop string stops nothing.
  const auto free = std::min(rollout.completion.size(),
                             static_cast<std::size_t>(std::max<std::int64_t>(0, options_.sampling.min_new_tokens - 1)));
  const std::string begin = encoder.decode(std::span(rollout.completion).first(free));
  return std::string(before_stop(text, options_.sampling.stop_strings, begin.size()));
}

// Context distillation (arXiv 2209.15189): what was written on the way to an answer is not learnt. The answer is text
// of its own then, of which nobody has said how likely it is.
void RolloutSource::take_answers(std::vector<Rollout>& rollouts) {
  if (!answer_) return;
  for (Rollout& rollout : rollouts) {
    if (const int signal = stop_requested()) throw Interrupted(signal);
    const TextPattern::Match match = answer_->find(text_of(rollout));
    const std::string_view answer = trimmed(match.text);
    rollout.completion = answer.empty() ? Tokens{} : encoder_of(rollout).completion(answer);
    rollout.log_probabilities.clear();
    rollout.own_log_probabilities.clear();
    rollout.importance.clear();
    rollout.states = torch::Tensor();
    rollout.greedy_tokens = 0;
    if (answer.empty()) ++rejections_["rollout.learn_only finds nothing in them"];
  }
  std::erase_if(rollouts, [](const Rollout& rollout) { return rollout.completion.empty(); });
}

void RolloutSource::verify(std::vector<Rollout>& rollouts) {
  if (!verifier_) return;
  std::vector<std::string> texts;
  std::int64_t accepted = 0;
  for (Rollout& rollout : rollouts) {
    if (const int signal = stop_requested()) throw Interrupted(signal);
    texts.push_back(text_of(rollout));
    Verdict verdict = verifier_->check(texts.back(), rollout.item);
    rollout.reward = verdict.accepted ? 1 : 0;
    accepted += verdict.accepted ? 1 : 0;
    if (!verdict.accepted) ++rejections_[verdict.reason];
    rollout.reason = std::move(verdict.reason);
  }
  if (!rollouts.empty()) accepted_share_ = static_cast<double>(accepted) / static_cast<double>(rollouts.size());
  if (options_.group > 1) set_siblings(rollouts, texts);
  if (options_.keep == Keep::kAccepted) {
    std::erase_if(rollouts, [](const Rollout& rollout) { return rollout.reward == 0; });
  }
}

std::vector<Rollout> RolloutSource::draw(const RolloutRequest& request) {
  constexpr int kAttempts = 20;
  const std::int64_t prompts = std::max<std::int64_t>(1, request.count / options_.group);
  if (request.batch <= 0) author_left_ = 0;
  const std::int64_t batch = request.batch > 0 ? request.batch : prompts * options_.group;
  std::vector<Rollout> rollouts;
  std::vector<std::int64_t> greedy_tokens;
  std::vector<Author> authors;
  std::int64_t group = 0;
  rejections_.clear();
  left_out_ = 0;
  const std::int64_t new_tokens = sampling_of(request).max_new_tokens;
  for (int attempt = 0; rollouts.empty() && attempt < kAttempts; ++attempt) {
    for (Draft& draft : parts_.prompts->next(prompts)) {
      const Author author = current_author(batch);
      const bool is_missing = author == Author::kFixed && draft.completion.empty();
      if (is_missing || !is_usable(draft.item, author, new_tokens)) {
        left_out_ += options_.group;
        continue;
      }
      author_left_ -= options_.group;
      for (std::int64_t i = 0; i < options_.group; ++i) {
        Rollout& rollout = rollouts.emplace_back();
        rollout.item = draft.item;
        rollout.completion = draft.completion;
        rollout.by_student = author == Author::kStudent;
        rollout.group = group;
        greedy_tokens.push_back(draft.greedy_tokens);
        authors.push_back(author);
      }
      ++group;
    }
    for (const Author author : {Author::kTeacher, Author::kStudent, Author::kTokenMixture}) {
      if (std::ranges::find(authors, author) == authors.end()) continue;
      write_by(author, authors, rollouts, greedy_tokens, request);
    }
    std::erase_if(rollouts, [](const Rollout& rollout) { return rollout.completion.empty(); });
    verify(rollouts);
    take_answers(rollouts);
    if (!rollouts.empty()) break;
    greedy_tokens.clear();
    authors.clear();
  }
  if (rollouts.empty() && !rejections_.empty()) {
    throw RunError("[generator.RolloutSource] nothing is left of the completions of " +
                   std::to_string(kAttempts * prompts) + " prompts, most often because: " + most_frequent(rejections_) +
                   "; check the verifier's options and `learn_only`, or set `keep: all`");
  }
  if (rollouts.empty()) {
    throw RunError("[generator.RolloutSource] " + std::to_string(kAttempts * prompts) +
                   " prompts gave not one completion; does every prompt have the texts that the views name, and with "
                   "author 'fixed' a completion?" +
                   (too_long_.empty() ? "" : " Some are too long: " + too_long_));
  }
  return rollouts;
}

void RolloutSource::write_by(Author author, const std::vector<Author>& authors, std::vector<Rollout>& rollouts,
                             const std::vector<std::int64_t>& greedy_tokens, const RolloutRequest& request) {
  const language::SamplingOptions sampling = sampling_of(request);
  for (Rollout& rollout : rollouts) rollout.temperature = sampling.temperature;
  if (author == Author::kTokenMixture) return write_mixed(rollouts, sampling);

  const language::View& view = author == Author::kStudent ? parts_.student_view : parts_.teacher_view;
  Actor& actor = author == Author::kStudent ? parts_.student : parts_.teacher;
  std::vector<Tokens> prompts;
  std::map<std::int64_t, std::vector<std::size_t>> by_greedy;
  for (std::size_t i = 0; i < rollouts.size(); ++i) {
    if (authors[i] != author) {
      prompts.emplace_back();
      continue;
    }
    rollouts[i].completion.clear();
    prompts.push_back(*view.prompt(rollouts[i].item));
    by_greedy[std::min(greedy_tokens[i], sampling.max_new_tokens)].push_back(i);
  }
  std::map<std::int64_t, std::vector<std::size_t>> to_sample;  // by the tokens that are left
  for (const auto& [greedy, chosen] : by_greedy) {
    if (greedy > 0) {
      language::SamplingOptions first = sampling;
      first.temperature = 0;
      first.max_new_tokens = greedy;
      first.min_new_tokens = std::min(sampling.min_new_tokens, greedy);
      continue_chosen(actor, rollouts, chosen, prompts, first, sampling_random_);
      for (const std::size_t i : chosen) rollouts[i].greedy_tokens = std::ssize(rollouts[i].completion);
    }
    for (const std::size_t i : chosen) {
      if (!rollouts[i].finished && greedy < sampling.max_new_tokens) to_sample[greedy].push_back(i);
    }
  }
  for (const auto& [greedy, chosen] : to_sample) {
    language::SamplingOptions rest = sampling;
    rest.max_new_tokens = sampling.max_new_tokens - greedy;
    rest.min_new_tokens = std::max<std::int64_t>(0, sampling.min_new_tokens - greedy);
    continue_chosen(actor, rollouts, chosen, prompts, rest, sampling_random_);
  }
}

void RolloutSource::save(StateWriter writer) const {
  parts_.prompts->save(writer.part("prompts"));
  writer.integer("author", static_cast<std::int64_t>(author_));
  writer.integer("author_left", author_left_);
}

void RolloutSource::load(const StateReader& reader) {
  parts_.prompts->load(reader.part("prompts"));
  author_ = static_cast<Author>(reader.integer("author"));
  author_left_ = reader.integer("author_left");
}

void RolloutSource::write_mixed(std::vector<Rollout>& rollouts, const language::SamplingOptions& sampling) {
  const auto batch = static_cast<std::size_t>(options_.sampling_batch);
  for (Rollout& rollout : rollouts) rollout.completion.clear();
  for (std::size_t begin = 0; begin < rollouts.size(); begin += batch) {
    const std::size_t end = std::min(rollouts.size(), begin + batch);
    std::vector<Tokens> teacher_prompts, student_prompts;
    for (std::size_t i = begin; i < end; ++i) {
      teacher_prompts.push_back(*parts_.teacher_view.prompt(rollouts[i].item));
      student_prompts.push_back(*parts_.student_view.prompt(rollouts[i].item));
    }
    language::SamplingOptions seeded = sampling;
    seeded.seed = random_seed(sampling_random_);
    auto mixed = parts_.mixed->write(teacher_prompts, student_prompts, options_.teacher_share, seeded);
    for (std::size_t i = begin; i < end; ++i) {
      append(rollouts[i], mixed[i - begin].written);
      rollouts[i].importance = std::move(mixed[i - begin].importance);
    }
  }
}

}  // namespace drystill::generator
