#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/fields.h"
#include "core/options.h"
#include "distiller/language/options.h"

namespace drystill::distiller {

// Where the model to train begins: with the weights of a folder, or fresh ones.
struct LanguageModelOptions {
  std::string from;
  std::string config;

  template <class Field>
  void visit(Field&& field) {
    field("from", from, "Hugging Face folder or .gguf whose weights it begins with");
    field("config", config, "folder with config.json and tokenizer.json: begins with fresh weights of that shape");
  }
  std::vector<Problem> problems() const {
    if (from.empty() == config.empty()) return {{"from", "or 'config' must be given, and not both"}};
    return {};
  }
  bool operator==(const LanguageModelOptions&) const = default;
};

using TrainingText = std::variant<generator::TextPrompts, generator::FilePrompts>;

// `drystill train` for language models: the next token of real text by cross-entropy. Makes the teachers of worlds
// whose truth is known, and the baselines that a distillation is compared with.
struct TrainLanguageModel {
  static constexpr std::string_view kKey = "task";
  static constexpr std::string_view kName = "train_language_model";
  RunOptions run;
  LanguageModelOptions model;
  TrainableOptions trainable;
  TrainingText data;
  bool answers_only = false;
  language::ViewOptions view{.system = {}, .user = {}, .assistant = {}, .chat = false};
  Aggregation aggregation = Aggregation::kTokenMean;
  OptimizerOptions optimizer = AdamOptions{.learning_rate = 1e-3, .beta2 = 0.95, .decoupled = true};
  ScheduleOptions schedule;
  std::int64_t batch = 32;
  std::int64_t micro_batch = 32;
  std::int64_t longest = 256;
  double clip_gradient = 1;
  std::optional<LanguageEvaluationOptions> evaluation;

  template <class Field>
  void visit(Field&& field) {
    run.visit(field);
    field("model", model, "the model to train");
    field("trainable", trainable, "which of its numbers change");
    field("data", data, "real text: plain files (text), or records with a prompt and a completion (file)");
    field("answers_only", answers_only, "records: only the completion is learnt; false: the prompt as well");
    field("view", view, "records: how the model sees the prompt");
    field("aggregation", aggregation, "what a token's loss is averaged over, always for the whole optimizer batch");
    field("optimizer", optimizer, "optimizer");
    field("schedule", schedule, "learning rate over the run");
    field("batch", batch, "sequences a step", at_least(1));
    field("micro_batch", micro_batch, "sequences at once: less memory, the same result", at_least(1));
    field("longest", longest, "tokens of a window of text; records are cut there", at_least(2));
    field("clip_gradient", clip_gradient, "largest norm of all gradients together; 0: no limit", at_least(0));
    field("evaluation", evaluation, "real held-out text for reports only; training never opens it");
  }
  bool operator==(const TrainLanguageModel&) const = default;
};

}  // namespace drystill::distiller
