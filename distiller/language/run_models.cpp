#include "distiller/language/run_models.h"

#include <filesystem>
#include <system_error>

#include "core/device.h"
#include "core/error.h"
#include "core/placed_error.h"
#include "io/quote.h"
#include "language/load_language_model.h"
#include "language/models/causal_lm_folder.h"
#include "language/models/layer_subset.h"
#include "language/tokenizer/load_tokenizer.h"

namespace drystill::distiller {
namespace {

constexpr char kStream[] = "student.initialisation";

// The readers say what is wrong with a model; here it is known which key names it.
language::LanguageModel load_model(const std::string& key, const std::string& source) {
  std::error_code unknown;  // whatever it is, opening it says so
  if (!std::filesystem::exists(source, unknown) && !unknown) {
    throw InputError(key + ": cannot read " + io::quote(source) +
                     ": there is no such model folder or .gguf file; mend the path");
  }
  return with_place(key, [&] { return language::load_language_model(source, torch::kFloat32); });
}

const char* student_key(const DistillLanguageModel& options) {
  return options.student.from == "teacher" ? "teacher.model" : "student.from";
}

// A teacher whose tokens mean the same as those of `first`, the ensemble's first model.
std::shared_ptr<language::CausalLm> load_other(const std::string& source, const std::string& first,
                                               const language::Tokenizer& tokenizer) {
  auto other = load_model("teacher.others", source);
  if (const auto difference = language::vocabulary_difference(other.tokenizer, tokenizer)) {
    throw InputError(source + " and " + first + ": the vocabularies of an ensemble's teachers differ: " +
                     difference->message() + "; they must have one tokenizer");
  }
  return other.model;
}

// Where the student's weights or, for a fresh one, its tokenizer come from.
std::string student_source(const DistillLanguageModel& options) {
  const auto& [from, layers, config] = options.student;
  if (from != "teacher") return from;
  if (options.teacher.model.empty()) {
    throw ConfigError(config.empty() ? "student.from is 'teacher', but teacher.model is missing"
                                     : "student.config needs teacher.model: the student reads with its tokenizer");
  }
  return options.teacher.model;
}

// A fresh model must have a row for every token that it will read.
std::shared_ptr<language::CausalLm> fresh_model(const std::string& config, const language::Tokenizer& tokenizer,
                                                SeedStreams& seeds) {
  auto model = language::fresh_causal_lm(config, seeds.cpu_stream(kStream));
  if (model->options().vocab_size < tokenizer.vocab_size()) {
    throw InputError(config + ": vocab_size is " + std::to_string(model->options().vocab_size) + ", but " +
                     tokenizer.source() + " has " + std::to_string(tokenizer.vocab_size()) + " tokens");
  }
  return model;
}

std::shared_ptr<language::CausalLm> student_of(const language::LanguageModel& origin,
                                               const LanguageStudentOptions& options, SeedStreams& seeds) {
  if (!options.config.empty()) return fresh_model(options.config, origin.tokenizer, seeds);
  return options.layers.empty() ? origin.model->copy() : language::make_from_layers(*origin.model, options.layers);
}

void check_vocabularies(RunModels& models, const DistillLanguageModel& options) {
  const auto difference = language::vocabulary_difference(models.teacher_tokenizer, models.student_tokenizer);
  if (!difference) return;
  if (!options.loss.universal_logit) {
    throw InputError(options.teacher.model + " and " + models.student_source +
                     ": the vocabularies of teacher and student differ: " + difference->message() +
                     "; distillation token by token needs one tokenizer, `loss.universal_logit` does not");
  }
  const bool only_universal =
      options.loss.divergence_weight == 0 && !options.loss.advantage && !options.loss.hidden_states;
  if (!only_universal || options.rollout.author == generator::Author::kTokenMixture || options.replay_top_k > 0) {
    throw ConfigError(
        "loss: the vocabularies of teacher and student differ: " + difference->message() +
        "; set `divergence_weight: 0`, and neither advantage, hidden_states, token_mixture nor replay_top_k");
  }
  models.shared_vocabulary = false;
}

}  // namespace

void RunModels::set_dtype(torch::ScalarType type) {
  dtype = type;
  if (type == torch::kFloat32) return;
  for (const auto& teacher : teachers) teacher->to(type);
  student->set_compute_dtype(type);  // its weights stay float32: the optimizer's masters
}

RunModels load_run_models(const DistillLanguageModel& options, SeedStreams& seeds) {
  const std::string source = student_source(options);
  const std::string& teacher_source = options.teacher.model;
  auto origin = load_model(student_key(options), source);
  RunModels models{.teachers = {},
                   .student = student_of(origin, options.student, seeds),
                   .teacher_tokenizer = origin.tokenizer,
                   .student_tokenizer = origin.tokenizer,
                   .student_source = source,
                   .student_is_source = options.student.layers.empty() && options.student.config.empty()};
  models.student->set_gradient_checkpointing(options.gradient_checkpointing);
  const auto* ensemble = std::get_if<EnsembleTeacher>(&options.teacher.weights);
  if (ensemble == nullptr && !std::holds_alternative<FrozenTeacher>(options.teacher.weights)) return models;

  if (teacher_source == source) {
    models.teachers.push_back(origin.model);
  } else {
    auto teacher = load_model("teacher.model", teacher_source);
    models.teachers.push_back(teacher.model);
    models.teacher_tokenizer = teacher.tokenizer;
  }
  check_vocabularies(models, options);
  if (ensemble != nullptr) {
    for (const EnsembleMember& other : ensemble->others) {
      models.teachers.push_back(load_other(other.model, teacher_source, models.teacher_tokenizer));
    }
  }
  return models;
}

RunModels load_run_models(const TrainLanguageModel& options, SeedStreams& seeds) {
  language::LanguageModel first = load_first_student(options, seeds);
  return {.teachers = {},
          .student = std::move(first.model),
          .teacher_tokenizer = first.tokenizer,
          .student_tokenizer = first.tokenizer,
          .student_source = options.model.from.empty() ? options.model.config : options.model.from,
          .student_is_source = !options.model.from.empty()};
}

language::LanguageModel load_first_student(const DistillLanguageModel& options, SeedStreams& seeds) {
  auto origin = load_model(student_key(options), student_source(options));
  return {student_of(origin, options.student, seeds), std::move(origin.tokenizer)};
}

language::LanguageModel load_first_student(const TrainLanguageModel& options, SeedStreams& seeds) {
  const auto& [from, config] = options.model;
  if (!from.empty()) return load_model("model.from", from);
  auto tokenizer = language::load_tokenizer(config);
  auto model = fresh_model(config, tokenizer, seeds);
  return {std::move(model), std::move(tokenizer)};
}

std::vector<std::int64_t> prefix_tokens(const TrainableOptions& options, const language::Tokenizer& tokenizer,
                                        const generator::TextOpener& open_texts) {
  const auto* prefix = std::get_if<KvPrefixParameters>(&options);
  if (prefix == nullptr) return {};
  std::vector<std::int64_t> tokens;
  for (const std::string& text : open_texts({prefix->text})) {
    const auto more = tokenizer.encode(text);
    tokens.insert(tokens.end(), more.begin(), more.end());
  }
  return tokens;
}

torch::Device cpu_only(const std::string& device) {
  const torch::Device parsed = parse_device(device);
  if (!parsed.is_cpu()) throw ConfigError("device: language models run on the CPU for now; set `device: cpu`");
  return parsed;
}

}  // namespace drystill::distiller
