#include "distiller/language/model_pair.h"

#include "core/error.h"
#include "language/load_language_model.h"
#include "language/models/causal_lm_folder.h"
#include "language/models/layer_subset.h"
#include "language/tokenizer/load_tokenizer.h"

namespace drystill::distiller {
namespace {

constexpr char kStream[] = "student.initialisation";

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

// With a moving teacher the student starts from nothing too: only the tokenizer of teacher.model is read.
ModelPair load_with_fresh_student(const DistillLanguageModel& options, SeedStreams& seeds) {
  const std::string& source = options.teacher.model;
  auto teacher = language::load_language_model(source, torch::kFloat32);
  auto student = fresh_model(options.student.config, teacher.tokenizer, seeds);
  const bool frozen = std::holds_alternative<FrozenTeacher>(options.teacher.weights);
  return {.teacher = frozen ? teacher.model : nullptr,
          .student = student,
          .tokenizer = teacher.tokenizer,
          .student_source = source};
}

}  // namespace

ModelPair load_models(const DistillLanguageModel& options, SeedStreams& seeds) {
  const auto& [from, layers, config] = options.student;
  if (from == "teacher" && options.teacher.model.empty()) {
    throw ConfigError(config.empty() ? "student.from is 'teacher', but teacher.model is missing"
                                     : "student.config needs teacher.model: the student reads with its tokenizer");
  }
  if (!config.empty()) return load_with_fresh_student(options, seeds);
  const std::string source = from == "teacher" ? options.teacher.model : from;
  auto origin = language::load_language_model(source, torch::kFloat32);
  ModelPair models{.teacher = nullptr,
                   .student = layers.empty() ? origin.model->copy() : language::make_from_layers(*origin.model, layers),
                   .tokenizer = origin.tokenizer,
                   .student_source = source};
  if (!std::holds_alternative<FrozenTeacher>(options.teacher.weights)) return models;
  if (options.teacher.model == source) {
    models.teacher = origin.model;
    return models;
  }
  auto teacher = language::load_language_model(options.teacher.model, torch::kFloat32);
  models.teacher = teacher.model;
  if (const auto difference = language::vocabulary_difference(teacher.tokenizer, models.tokenizer)) {
    throw InputError(options.teacher.model + " and " + source + ": the vocabularies of teacher and student differ: " +
                     difference->message() + "; distillation token by token needs one tokenizer");
  }
  return models;
}

ModelPair load_models(const TrainLanguageModel& options, SeedStreams& seeds) {
  const auto& [from, config] = options.model;
  if (from.empty()) {
    auto tokenizer = language::load_tokenizer(config);
    auto model = fresh_model(config, tokenizer, seeds);
    return {.teacher = nullptr, .student = model, .tokenizer = std::move(tokenizer), .student_source = config};
  }
  auto origin = language::load_language_model(from, torch::kFloat32);
  return {
      .teacher = nullptr, .student = origin.model, .tokenizer = std::move(origin.tokenizer), .student_source = from};
}

void set_precision(ModelPair& models, const PrecisionOptions& precision) {
  if (!precision.bfloat16) return;
  if (models.teacher) models.teacher->to(torch::kBFloat16);
  models.student->set_compute_dtype(torch::kBFloat16);  // its weights stay float32: the optimizer's masters
}

void save_student(const std::filesystem::path& folder, const LanguageStudent& student, const ModelPair& models,
                  const std::map<std::string, std::string>& metadata) {
  if (student.adapter()) {
    student.adapter()->save(folder, models.student_source);
  } else if (student.prefix()) {
    std::filesystem::create_directories(folder);
    student.prefix()->save(folder / "kv_prefix.safetensors");
  } else {
    language::save_language_model(folder, *student.model(), models.student_source, metadata);
  }
}

}  // namespace drystill::distiller
