#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/fields.h"
#include "core/options.h"
#include "curriculum/options.h"
#include "distiller/language/evaluation_options.h"
#include "distiller/language/loss_options.h"
#include "distiller/language/plain_text_options.h"
#include "distiller/language/teacher_options.h"
#include "distiller/run_options.h"
#include "generator/rollout_options.h"
#include "language/views/view_options.h"

namespace drystill::distiller {

struct LanguageStudentOptions {
  std::string from = "teacher";
  std::vector<std::int64_t> layers;
  std::string config;

  template <class Field>
  void visit(Field&& field) {
    field("from", from, "teacher, or a Hugging Face folder or .gguf");
    field("layers", layers, "the layers of it that the student keeps, from 0; left out: all", at_least(0));
    field("config", config,
          "folder with a config.json: a fresh student of that shape, in place of `from`; it reads with the teacher's "
          "tokenizer");
  }
  std::vector<Problem> problems() const {
    if (config.empty()) return {};
    if (from != "teacher")
      return {{"config", "makes a fresh student; leave out 'from', whose weights it would not use"}};
    if (!layers.empty()) return {{"config", "makes a fresh student; leave out 'layers'"}};
    return {};
  }
  bool operator==(const LanguageStudentOptions&) const = default;
};

// Which numbers the optimizer changes.

struct AllParameters {
  static constexpr std::string_view kKey = "method";
  static constexpr std::string_view kName = "all";

  template <class Field>
  void visit(Field&&) {}
  bool operator==(const AllParameters&) const = default;
};

// A low-rank correction of some linear layers (LoRA, arXiv 2106.09685).
struct LoraParameters {
  static constexpr std::string_view kKey = "method";
  static constexpr std::string_view kName = "lora";
  std::int64_t rank = 16;
  double alpha = 32;
  std::vector<std::string> targets = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"};

  template <class Field>
  void visit(Field&& field) {
    field("rank", rank, "rank of the correction", at_least(1));
    field("alpha", alpha, "its scale is alpha / rank", positive());
    field("targets", targets, "last part of the linear layers' names");
  }
  bool operator==(const LoraParameters&) const = default;
};

// Keys and values that stand before every text (Cartridges, arXiv 2506.06266).
struct KvPrefixParameters {
  static constexpr std::string_view kKey = "method";
  static constexpr std::string_view kName = "kv_prefix";
  std::int64_t length = 256;
  std::int64_t frozen = 1;
  std::string text;

  template <class Field>
  void visit(Field&& field) {
    field("length", length, "entries of the prefix", at_least(1));
    field("frozen", frozen, "first entries that stay as they are: the attention sink", at_least(0));
    field("text", text, "file whose first tokens it starts as", required());
  }
  std::vector<Problem> problems() const {
    if (frozen >= length) return {{"frozen", "must be below 'length': something has to be trained"}};
    return {};
  }
  bool operator==(const KvPrefixParameters&) const = default;
};

using TrainableOptions = std::variant<AllParameters, LoraParameters, KvPrefixParameters>;

// `drystill distill` for language models: a student from a teacher, by text that a model writes.
struct DistillLanguageModel {
  static constexpr std::string_view kKey = "task";
  static constexpr std::string_view kName = "distill_language_model";
  RunOptions run;
  LanguageTeacherOptions teacher;
  LanguageStudentOptions student;
  TrainableOptions trainable;
  generator::RolloutOptions rollout;
  language::ViewOptions teacher_view;
  language::ViewOptions student_view;
  curriculum::RolloutRampOptions ramps;
  std::int64_t candidates = 1;
  curriculum::SchedulerOptions curriculum = curriculum::ConstantOptions{};
  curriculum::ReplayOptions replay;
  LanguageLossOptions loss;
  std::optional<PlainTextOptions> plain_text;
  OptimizerOptions optimizer = AdamOptions{.learning_rate = 1e-4, .beta2 = 0.95, .decoupled = true};
  ScheduleOptions schedule;
  std::int64_t batch = 16;
  std::int64_t micro_batch = 8;
  std::int64_t draw = 64;
  std::int64_t passes = 1;
  std::int64_t longest = 1024;
  std::int64_t replay_top_k = 0;
  double clip_gradient = 1;
  bool gradient_checkpointing = false;
  std::optional<LanguageEvaluationOptions> evaluation;

  template <class Field>
  void visit(Field&& field) {
    run.visit(field);
    field("teacher", teacher, "the model to distil");
    field("student", student, "the model to train");
    field("trainable", trainable, "which of its numbers change");
    field("rollout", rollout, "where prompts and completions come from");
    field("teacher_view", teacher_view, "how the teacher sees an item");
    field("student_view", student_view, "how the student sees it");
    field("ramps", ramps, "from easy to hard over the run");
    field("candidates", candidates,
          "rollouts made for each of `draw`; those in the ramps' window of divergence are kept, without one all",
          at_least(1));
    field("curriculum", curriculum, "weights of sequences by their loss");
    field("replay", replay, "which sequences come back");
    field("loss", loss, "what the student minimises");
    field("plain_text", plain_text,
          "windows of real text beside every step's completions, and their loss: the run is then not data-free");
    field("optimizer", optimizer, "student's optimizer");
    field("schedule", schedule, "student's learning rate over the run");
    field("batch", batch, "sequences a step", at_least(1));
    field("micro_batch", micro_batch, "sequences at once: less memory, the same result (hidden_statistics: of these)",
          at_least(1));
    field(
        "replay_top_k", replay_top_k,
        "words of the teacher that the replay bank keeps with every token, so that no teacher runs for sequences that "
        "come back; 0: none",
        at_least(0));
    field("draw", draw, "sequences made at a time, for several steps", at_least(1));
    field("passes", passes, "times that each draw is gone through, after the first in random order", at_least(1));
    field("longest", longest, "tokens of a sequence, prompt and completion, at most", at_least(2));
    field("clip_gradient", clip_gradient, "largest norm of all gradients together; 0: no limit", at_least(0));
    field("gradient_checkpointing", gradient_checkpointing,
          "compute each layer of the student again in the backward pass: less memory, the same gradient");
    field("evaluation", evaluation, "real held-out text for reports only; training never opens it");
  }
  std::vector<Problem> problems() const;
  bool operator==(const DistillLanguageModel&) const = default;
};

inline std::vector<Problem> DistillLanguageModel::problems() const {
  const bool top_k = loss.divergence.support == kernels::TokenSupport::kTeacherTopK;
  const bool uses_divergence = loss.divergence_weight > 0;
  if (rollout.author != generator::Author::kFixed && loss.skip_first >= rollout.sampling.max_new_tokens) {
    return {{"loss", "masks every token: `skip_first` is " + std::to_string(loss.skip_first) +
                         ", and a completion has at most " + std::to_string(rollout.sampling.max_new_tokens) +
                         " (rollout.sampling.max_new_tokens)"}};
  }
  if (std::holds_alternative<CachedTeacher>(teacher.weights)) {
    if (uses_divergence && !top_k) {
      return {{"loss", "needs `divergence.support: teacher_top_k` with a cached teacher: its file has no other words"}};
    }
    if (loss.needs_teacher()) {
      return {{"loss",
               "has a term (advantage, hidden_statistics, hidden_states, universal_logit) that a cached teacher cannot "
               "give"}};
    }
    if (plain_text && plain_text->teacher_share > 0) {
      return {{"plain_text", "needs `teacher_share: 0` with a cached teacher: its file knows other texts only"}};
    }
    if (replay.capacity > 0) return {{"replay", "has no use with a cached teacher, whose sequences all come back"}};
  }
  const bool own = std::holds_alternative<InitialTeacher>(teacher.weights) ||
                   std::holds_alternative<EmaTeacher>(teacher.weights) ||
                   std::holds_alternative<LiveTeacher>(teacher.weights) ||
                   std::holds_alternative<TrustRegionTeacher>(teacher.weights);
  if (own && !teacher.model.empty() && student.from != "teacher") {
    return {
        {"teacher",
         "has a `model` that nobody would read: with the weights initial, ema, live and trust_region the teacher is "
         "the student, `student.from`; leave one of them out"}};
  }
  if (loss.advantage && rollout.author == generator::Author::kTeacher) {
    return {{"loss", "`advantage` is of what the student wrote: rollout.author must not be teacher"}};
  }
  const auto* constant = std::get_if<curriculum::ConstantOptions>(&curriculum);
  if (constant != nullptr && *constant != curriculum::ConstantOptions{}) {
    return {{"curriculum",
             "has `adversarial_weight` for classifiers only; the language form is `rollout.adversarial_prefix`"}};
  }
  const auto& divergence = loss.divergence;
  const bool words_only = std::holds_alternative<CachedTeacher>(teacher.weights) || replay_top_k > 0;
  if (words_only && divergence.temperature != 1 && divergence.remainder != kernels::TokenRemainder::kRenormalise) {
    return {{"loss",
             "needs `divergence.temperature: 1` or `remainder: renormalise` where only the teacher's likeliest words "
             "are kept: what the others have at another temperature is not known"}};
  }
  const auto* ensemble = std::get_if<EnsembleTeacher>(&teacher.weights);
  if (words_only && divergence.temperature != 1 && ensemble != nullptr &&
      ensemble->mean == language::MixtureMean::kProbabilities) {
    return {
        {"loss",
         "needs `divergence.temperature: 1` where only an ensemble's likeliest words are kept: their mean is that of "
         "temperature 1"}};
  }
  const bool draws = rollout.author != generator::Author::kFixed;
  const bool greedy = rollout.sampling.temperature == 0 || ramps.temperature.from == 0 || ramps.temperature.to == 0;
  if (loss.advantage && draws && greedy) {
    return {{"loss",
             "`advantage` learns from what is drawn: rollout.sampling.temperature and ramps.temperature must be above "
             "0"}};
  }
  if (loss.importance_clip > 0 && !uses_divergence) {
    return {{"loss", "`importance_clip` multiplies the divergence, whose weight is 0"}};
  }
  if (plain_text && plain_text->length > longest) {
    return {{"plain_text", "`length` must not exceed `longest`, " + std::to_string(longest)}};
  }
  if (rollout.adversarial_prefix && (ramps.temperature.from == 0 || ramps.temperature.to == 0)) {
    return {
        {"ramps", "need a `temperature` above 0 beside rollout.adversarial_prefix, which learns from what is drawn"}};
  }
  if (rollout.author == generator::Author::kFixed && ramps.length != curriculum::Ramp{}) {
    return {{"ramps", "have no `length` where the prompts bring the completions (rollout.author: fixed)"}};
  }
  if (const auto* paced = std::get_if<curriculum::SelfPacedOptions>(&curriculum)) {
    if (paced->granularity == curriculum::Granularity::kPerBatch) {
      return {{"curriculum", "has `granularity: per_batch` for classifiers only: sequences are weighed one by one"}};
    }
    if (paced->adversarial != curriculum::AdversarialRamp{}) {
      return {{"curriculum", "has `adversarial` for classifiers only; the language form is `ramps.window_low`"}};
    }
  }
  if (replay_top_k > 0) {
    if (replay.capacity == 0) return {{"replay_top_k", "needs a bank to keep them in: set `replay.capacity`"}};
    const bool stays = std::holds_alternative<FrozenTeacher>(teacher.weights) ||
                       std::holds_alternative<InitialTeacher>(teacher.weights) ||
                       std::holds_alternative<EnsembleTeacher>(teacher.weights);
    if (!stays) return {{"replay_top_k", "needs a teacher that stays as it is: frozen, initial or ensemble"}};
    if (!uses_divergence || !top_k || loss.divergence.k > replay_top_k) {
      return {{"replay_top_k", "needs `loss.divergence.support: teacher_top_k` with a k that is not larger"}};
    }
    if (loss.needs_teacher()) {
      return {{"replay_top_k",
               "cannot give what loss.advantage, hidden_statistics, hidden_states and universal_logit need"}};
    }
  }
  return curriculum::replay_problems(replay, batch, curriculum::weighs_samples(curriculum));
}

}  // namespace drystill::distiller
