#pragma once

#include <array>
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
#include "distiller/run_options.h"
#include "generator/rollout_options.h"
#include "kernels/options.h"
#include "language/views/view_options.h"

namespace drystill::distiller {

// Which weights the teacher has while the student changes.

struct FrozenTeacher {
  static constexpr std::string_view kKey = "weights";
  static constexpr std::string_view kName = "frozen";

  template <class Field>
  void visit(Field&&) {}
  bool operator==(const FrozenTeacher&) const = default;
};

// The student as it was before the first step.
struct InitialTeacher {
  static constexpr std::string_view kKey = "weights";
  static constexpr std::string_view kName = "initial";

  template <class Field>
  void visit(Field&&) {}
  bool operator==(const InitialTeacher&) const = default;
};

// An exponential moving average of the student: w <- w + rate (student - w) after every `every`-th step.
struct EmaTeacher {
  static constexpr std::string_view kKey = "weights";
  static constexpr std::string_view kName = "ema";
  double rate = 0.05;
  std::int64_t every = 1;

  template <class Field>
  void visit(Field&& field) {
    field("rate", rate, "share of the student that every update takes over", between(0, 1));
    field("every", every, "steps between updates", at_least(1));
  }
  bool operator==(const EmaTeacher&) const = default;
};

// The student's own weights of this very step, without a gradient.
struct LiveTeacher {
  static constexpr std::string_view kKey = "weights";
  static constexpr std::string_view kName = "live";

  template <class Field>
  void visit(Field&&) {}
  bool operator==(const LiveTeacher&) const = default;
};

using TeacherWeights = std::variant<FrozenTeacher, InitialTeacher, EmaTeacher, LiveTeacher>;

struct LanguageTeacherOptions {
  std::string model;
  TeacherWeights weights = FrozenTeacher{};

  template <class Field>
  void visit(Field&& field) {
    field("model", model, "Hugging Face folder or .gguf; left out with initial, ema and live: the student's");
    field("weights", weights, "which weights it has while the student changes");
  }
  std::vector<Problem> problems() const {
    if (model.empty() && std::holds_alternative<FrozenTeacher>(weights)) {
      return {{"model", "is missing; only the weights initial, ema and live go without"}};
    }
    return {};
  }
  bool operator==(const LanguageTeacherOptions&) const = default;
};

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
  bool operator==(const KvPrefixParameters&) const = default;
};

using TrainableOptions = std::variant<AllParameters, LoraParameters, KvPrefixParameters>;

// What a token's loss is averaged over.
enum class Aggregation { kTokenMean, kSequenceMean, kConstantLength };
constexpr auto enum_names(Aggregation) {
  return std::to_array<std::string_view>({"token_mean", "sequence_mean", "constant_length"});
}

// The sampled reverse-KL advantage (kernels/sampled_advantage.h) in place of, or beside, the divergence.
struct AdvantageOptions {
  double weight = 1;
  kernels::SampledAdvantageOptions method;

  template <class Field>
  void visit(Field&& field) {
    field("weight", weight, "of this term", at_least(0));
    method.visit(field);
  }
  bool operator==(const AdvantageOptions&) const = default;
};

// What the student minimises on the tokens of a completion: a weighted sum of terms.
struct LanguageLossOptions {
  double divergence_weight = 1;
  kernels::TokenDivergenceOptions divergence;
  double cross_entropy = 0;
  std::optional<AdvantageOptions> advantage;
  Aggregation aggregation = Aggregation::kTokenMean;
  std::int64_t skip_first = 0;

  template <class Field>
  void visit(Field&& field) {
    field("divergence_weight", divergence_weight, "weight of the divergence; 0: not computed", at_least(0));
    field("divergence", divergence, "between teacher and student at every token");
    field("cross_entropy", cross_entropy, "weight of -log p_student of the completion's own tokens", at_least(0));
    field("advantage", advantage, "sampled reverse-KL advantage, for completions that the student wrote");
    field("aggregation", aggregation, "what a token's loss is averaged over, always for the whole optimizer batch");
    field("skip_first", skip_first, "tokens at the begin of a completion without a loss", at_least(0));
  }
  bool operator==(const LanguageLossOptions&) const = default;
};

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
  OptimizerOptions optimizer = AdamOptions{.learning_rate = 1e-4, .beta2 = 0.95, .decoupled = true};
  ScheduleOptions schedule;
  std::int64_t batch = 16;
  std::int64_t micro_batch = 8;
  std::int64_t draw = 64;
  std::int64_t longest = 1024;
  double clip_gradient = 1;
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
          "rollouts made for each that is kept: those in the ramps' window of divergence; 1: all are kept",
          at_least(1));
    field("curriculum", curriculum, "weights of sequences by their loss");
    field("replay", replay, "which sequences come back");
    field("loss", loss, "what the student minimises");
    field("optimizer", optimizer, "student's optimizer");
    field("schedule", schedule, "student's learning rate over the run");
    field("batch", batch, "sequences a step", at_least(1));
    field("micro_batch", micro_batch, "sequences at once: less memory, the same result (advantage.whiten: of these)",
          at_least(1));
    field("draw", draw, "sequences made at a time, for several steps", at_least(1));
    field("longest", longest, "tokens of a sequence, prompt and completion, at most", at_least(2));
    field("clip_gradient", clip_gradient, "largest norm of all gradients together; 0: no limit", at_least(0));
    field("evaluation", evaluation, "real held-out text for reports only; training never opens it");
  }
  bool operator==(const DistillLanguageModel&) const = default;
};

}  // namespace drystill::distiller
