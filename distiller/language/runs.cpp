#include "distiller/language/runs.h"

#include "core/device.h"
#include "core/error.h"
#include "core/threads.h"
#include "distiller/language/evaluator.h"
#include "distiller/language/learner.h"
#include "distiller/language/rollout_input.h"
#include "distiller/language/student.h"
#include "generator/rollouts/adversarial_prefix.h"
#include "generator/rollouts/language_actor.h"
#include "generator/rollouts/mixed_actor.h"
#include "language/load_language_model.h"
#include "language/models/layer_subset.h"

namespace drystill::distiller {
namespace {

constexpr char kPrefixFile[] = "kv_prefix.safetensors";

std::int64_t count_parameters(const std::vector<torch::Tensor>& parameters) {
  std::int64_t total = 0;
  for (const torch::Tensor& parameter : parameters) total += parameter.numel();
  return total;
}

// Both models and what they read with.
struct Models {
  std::shared_ptr<language::CausalLm> teacher;  // null: the student's own weights
  std::shared_ptr<language::CausalLm> student;
  language::Tokenizer teacher_tokenizer;
  language::Tokenizer student_tokenizer;
  std::string student_source;
};

std::string student_source(const DistillLanguageModel& options) {
  if (options.student.from != "teacher") return options.student.from;
  if (options.teacher.model.empty()) throw ConfigError("student.from is 'teacher', but teacher.model is missing");
  return options.teacher.model;
}

std::shared_ptr<language::CausalLm> student_of(const language::CausalLm& origin,
                                               const LanguageStudentOptions& options) {
  return options.layers.empty() ? origin.copy() : language::make_from_layers(origin, options.layers);
}

Models load_models(const DistillLanguageModel& options) {
  const std::string source = student_source(options);
  auto origin = language::load_language_model(source, torch::kFloat32);
  Models models{.teacher = nullptr,
                .student = student_of(*origin.model, options.student),
                .teacher_tokenizer = origin.tokenizer,
                .student_tokenizer = origin.tokenizer,
                .student_source = source};
  if (!std::holds_alternative<FrozenTeacher>(options.teacher.weights)) return models;
  if (options.teacher.model == source) {
    models.teacher = origin.model;
  } else {
    auto teacher = language::load_language_model(options.teacher.model, torch::kFloat32);
    models.teacher = teacher.model;
    models.teacher_tokenizer = teacher.tokenizer;
  }
  if (const auto difference = language::vocabulary_difference(models.teacher_tokenizer, models.student_tokenizer)) {
    throw InputError(options.teacher.model + " and " + source + ": the vocabularies of teacher and student differ: " +
                     difference->message() + "; distillation token by token needs one tokenizer");
  }
  return models;
}

void set_precision(Models& models, const PrecisionOptions& precision) {
  if (!precision.bfloat16) return;
  if (models.teacher) models.teacher->to(torch::kBFloat16);
  models.student->set_compute_dtype(torch::kBFloat16);  // its weights stay float32: the optimizer's masters
}

std::vector<std::int64_t> prefix_tokens(const DistillLanguageModel& options, const language::Tokenizer& tokenizer,
                                        const RunEnvironment& environment) {
  const auto* prefix = std::get_if<KvPrefixParameters>(&options.trainable);
  if (prefix == nullptr) return {};
  std::vector<std::int64_t> tokens;
  for (const std::string& text : environment.open_texts({prefix->text})) {
    const auto more = tokenizer.encode(text);
    tokens.insert(tokens.end(), more.begin(), more.end());
  }
  return tokens;
}

std::filesystem::path save_student(const LanguageStudent& student, const Models& models, const RunOptions& run,
                                   const RunResult& result, const std::filesystem::path& folder) {
  const std::filesystem::path target = folder / "student";
  if (student.adapter()) {
    student.adapter()->save(target, models.student_source);
  } else if (student.prefix()) {
    std::filesystem::create_directories(target);
    student.prefix()->save(target / kPrefixFile);
  } else {
    language::save_language_model(target, *student.model(), models.student_source,
                                  provenance(DistillLanguageModel::kName, run, result, "drystill.text_"));
  }
  return target;
}

// What a run left: a model, or a folder with an adapter or a prefix for the student that the options begin with.
struct LoadedStudent {
  LanguageStudent student;
  language::Tokenizer tokenizer;
};

LoadedStudent load_student(const DistillLanguageModel& options, const std::filesystem::path& path) {
  const bool adapter = std::filesystem::exists(path / "adapter_config.json");
  if (!adapter && !std::filesystem::exists(path / kPrefixFile)) {
    auto whole = language::load_language_model(path);
    return {LanguageStudent(whole.model), whole.tokenizer};
  }
  const auto origin = language::load_language_model(student_source(options), torch::kFloat32);
  const auto base = student_of(*origin.model, options.student);
  if (adapter) return {LanguageStudent(base, language::LoraAdapter::load(path, base)), origin.tokenizer};
  return {LanguageStudent(base, language::KvPrefix::load(path / kPrefixFile, base->options())), origin.tokenizer};
}

// Null where the rollouts have none. The plain teacher writes what its prefix starts as, and packs its weights anew
// should a prompt source ask it to write: nobody may ever.
std::unique_ptr<generator::AdversarialPrefix> make_adversary(const generator::RolloutOptions& options,
                                                             const language::CausalLm& teacher,
                                                             generator::LanguageActor& actor,
                                                             const language::PromptEncoder& encoder,
                                                             SeedStreams& seeds) {
  if (!options.adversarial_prefix) return nullptr;
  const auto text = generator::adversarial_start(actor, encoder, options.adversarial_prefix->length, seeds);
  actor.weights_changed();
  return std::make_unique<generator::AdversarialPrefix>(*options.adversarial_prefix, teacher, text);
}

}  // namespace

TrainingResult distill_language_model(const DistillLanguageModel& options, const RunEnvironment& environment) {
  limit_threads(options.run.threads);
  const torch::Device device = parse_device(options.run.device);
  if (!device.is_cpu()) {
    throw ConfigError("device: language models run on the CPU for now; set `device: cpu`");
  }
  SeedStreams seeds(static_cast<std::uint64_t>(options.run.seed), device);
  Models models = load_models(options);
  const language::PromptEncoder encoder(models.student_tokenizer);
  LanguageStudent student(models.student, options.trainable,
                          prefix_tokens(options, models.student_tokenizer, environment), seeds);
  set_precision(models, options.run.precision);

  const std::int64_t total_steps = options.run.loop.total_steps();
  LanguageLearner learner({.loss = options.loss,
                           .optimizer = options.optimizer,
                           .schedule = options.schedule,
                           .total_steps = total_steps,
                           .micro_batch = options.micro_batch,
                           .longest = options.longest,
                           .clip_gradient = options.clip_gradient},
                          student, make_language_teacher(options.teacher.weights, models.teacher, models.student),
                          device);

  const auto dtype = options.run.precision.bfloat16 ? torch::kBFloat16 : torch::kFloat32;
  const language::View teacher_view(options.teacher_view, encoder), student_view(options.student_view, encoder);
  generator::LanguageActor teacher_actor(learner.teacher().model(), encoder, dtype);
  generator::LanguageActor student_actor(*models.student, encoder, dtype, student.prefix().get());
  const auto adversary = make_adversary(options.rollout, learner.teacher().model(), teacher_actor, encoder, seeds);
  generator::LanguageActor prefixed_actor(learner.teacher().model(), encoder, dtype,
                                          adversary ? &adversary->prefix() : nullptr);
  learner.on_step([&] {
    student_actor.weights_changed();
    const auto& weights = options.teacher.weights;
    const bool moves = std::holds_alternative<EmaTeacher>(weights) || std::holds_alternative<LiveTeacher>(weights);
    if (!moves) return;
    teacher_actor.weights_changed();
    prefixed_actor.weights_changed();
  });
  generator::LanguageMixedActor mixed_actor(learner.teacher().model(), *models.student);
  generator::RolloutSource rollouts(
      options.rollout, {.prompts = generator::make_prompt_source(
                            options.rollout.prompts, {.encoder = encoder,
                                                      .teacher = teacher_actor,
                                                      .open_texts = environment.open_texts,
                                                      .completion_length = options.rollout.sampling.max_new_tokens,
                                                      .seeds = seeds}),
                        .teacher = adversary ? prefixed_actor : teacher_actor,
                        .student = student_actor,
                        .mixed = &mixed_actor,
                        .teacher_view = teacher_view,
                        .student_view = student_view,
                        .encoder = encoder,
                        .seeds = seeds});
  RolloutInput source(
      {.batch = options.batch,
       .draw = options.draw,
       .candidates = options.candidates,
       .longest = options.longest,
       .ramps = options.ramps,
       .replay = options.replay},
      rollouts, teacher_view, student_view,
      [&](std::span<const Sequence> sequences) { return learner.divergences(sequences); }, seeds, adversary.get());
  const auto scheduler = curriculum::make_scheduler(options.curriculum, total_steps, options.run.loop.epoch_steps);

  std::optional<TextEvaluator> evaluator;
  if (options.evaluation) {
    evaluator.emplace(*options.evaluation, environment.open_texts(options.evaluation->texts), models.student_tokenizer);
  }
  LoopParts parts{.source = source,
                  .learner = learner,
                  .scheduler = *scheduler,
                  .seeds = seeds,
                  .journal = environment.journal,
                  .progress = environment.progress,
                  .evaluate = {},
                  .draw_samples = {},
                  .checkpoints = environment.folder / "checkpoints"};
  if (evaluator) {
    parts.evaluate = [&] { return evaluator->evaluate(student, learner.teacher().model()).metrics(); };
  }

  TrainingResult result;
  result.loop = run_loop(options.run.loop, parts);
  result.model = save_student(student, models, options.run, result.loop, environment.folder);
  result.counts = {{"tokens_written", source.tokens_written()},
                   {"trained_parameters", count_parameters(student.trainable())},
                   {"student_parameters", count_parameters(models.student->parameters())},
                   {"teacher_parameters", count_parameters(learner.teacher().model().parameters())}};
  return result;
}

TextEvaluation evaluate_language_model(const DistillLanguageModel& options, const std::string& model,
                                       const generator::TextOpener& open_texts) {
  const std::string teacher_source = options.teacher.model.empty() ? options.student.from : options.teacher.model;
  const auto teacher = language::load_language_model(teacher_source);
  const auto [student, tokenizer] = load_student(options, model);
  const TextEvaluator evaluator(*options.evaluation, open_texts(options.evaluation->texts), tokenizer);
  return evaluator.evaluate(student, *teacher.model);
}

}  // namespace drystill::distiller
