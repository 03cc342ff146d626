#include "distiller/language/runs.h"

#include "core/device.h"
#include "core/error.h"
#include "core/threads.h"
#include "distiller/language/evaluator.h"
#include "distiller/language/learner.h"
#include "distiller/language/model_pair.h"
#include "distiller/language/rollout_input.h"
#include "distiller/language/student.h"
#include "generator/rollouts/language_actor.h"
#include "generator/rollouts/mixed_actor.h"
#include "language/load_language_model.h"

namespace drystill::distiller {
namespace {

std::int64_t count_parameters(const std::vector<torch::Tensor>& parameters) {
  std::int64_t total = 0;
  for (const torch::Tensor& parameter : parameters) total += parameter.numel();
  return total;
}

std::vector<std::int64_t> prefix_tokens(const TrainableOptions& options, const language::Tokenizer& tokenizer,
                                        const RunEnvironment& environment) {
  const auto* prefix = std::get_if<KvPrefixParameters>(&options);
  if (prefix == nullptr) return {};
  std::vector<std::int64_t> tokens;
  for (const std::string& text : environment.open_texts({prefix->text})) {
    const auto more = tokenizer.encode(text);
    tokens.insert(tokens.end(), more.begin(), more.end());
  }
  return tokens;
}

SeedStreams begin(const RunOptions& run) {
  limit_threads(run.threads);
  const torch::Device device = parse_device(run.device);
  if (!device.is_cpu()) {
    throw ConfigError("device: language models run on the CPU for now; set `device: cpu`");
  }
  return SeedStreams(static_cast<std::uint64_t>(run.seed), device);
}

// What tells one task from another once its models are loaded.
struct Task {
  std::string_view name;
  std::string_view model_folder;  // of the trained model, in the run folder
  bool has_teacher = true;
  bool learn_prompts = false;
};

TrainingResult run(const Task& task, const DistillLanguageModel& options, ModelPair models, SeedStreams& seeds,
                   const RunEnvironment& environment) {
  const language::PromptEncoder encoder(models.tokenizer);
  LanguageStudent student(models.student, options.trainable,
                          prefix_tokens(options.trainable, models.tokenizer, environment), seeds);
  set_precision(models, options.run.precision);

  const std::int64_t total_steps = options.run.loop.total_steps();
  LanguageLearner learner(
      {.loss = options.loss,
       .optimizer = options.optimizer,
       .schedule = options.schedule,
       .total_steps = total_steps,
       .micro_batch = options.micro_batch,
       .longest = options.longest,
       .clip_gradient = options.clip_gradient},
      student,
      task.has_teacher ? make_language_teacher(options.teacher.weights, models.teacher, models.student) : nullptr,
      torch::kCPU);
  const language::CausalLm* teacher = task.has_teacher ? &learner.teacher()->model() : nullptr;
  const language::CausalLm& writer = teacher != nullptr ? *teacher : *models.student;

  const auto dtype = options.run.precision.bfloat16 ? torch::kBFloat16 : torch::kFloat32;
  const language::View teacher_view(options.teacher_view, encoder), student_view(options.student_view, encoder);
  generator::LanguageActor teacher_actor(writer, encoder, dtype);
  generator::LanguageActor student_actor(*models.student, encoder, dtype, student.prefix().get());
  learner.on_step([&] {
    student_actor.weights_changed();
    const auto& weights = options.teacher.weights;
    const bool moves = std::holds_alternative<EmaTeacher>(weights) || std::holds_alternative<LiveTeacher>(weights);
    if (moves || teacher == nullptr) teacher_actor.weights_changed();
  });
  generator::LanguageMixedActor mixed_actor(writer, *models.student);
  generator::RolloutSource rollouts(
      options.rollout, {.prompts = generator::make_prompt_source(
                            options.rollout.prompts, {.encoder = encoder,
                                                      .teacher = teacher_actor,
                                                      .open_texts = environment.open_texts,
                                                      .completion_length = options.rollout.sampling.max_new_tokens,
                                                      .seeds = seeds}),
                        .teacher = teacher_actor,
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
       .learn_prompts = task.learn_prompts,
       .ramps = options.ramps,
       .replay = options.replay},
      rollouts, teacher_view, student_view,
      [&](std::span<const Sequence> sequences) { return learner.divergences(sequences); }, seeds);
  const auto scheduler = curriculum::make_scheduler(options.curriculum, total_steps, options.run.loop.epoch_steps);

  LoopParts parts{.source = source,
                  .learner = learner,
                  .scheduler = *scheduler,
                  .seeds = seeds,
                  .journal = environment.journal,
                  .progress = environment.progress,
                  .evaluate = {},
                  .draw_samples = {},
                  .checkpoints = environment.folder / "checkpoints"};
  std::optional<LanguageEvaluator> evaluator;
  if (options.evaluation) {
    evaluator.emplace(*options.evaluation, environment.open_texts, student_view, encoder);
    parts.evaluate = [&] { return evaluator->evaluate(student, teacher, student_actor).metrics; };
  }

  TrainingResult result;
  result.loop = run_loop(options.run.loop, parts);
  result.model = environment.folder / task.model_folder;
  save_student(result.model, student, models, provenance(task.name, options.run, result.loop, "drystill.text_"));
  result.counts = {{teacher != nullptr ? "tokens_written" : "tokens_read", source.tokens_written()},
                   {"trained_parameters", count_parameters(student.trainable())},
                   {"student_parameters", count_parameters(models.student->parameters())}};
  if (teacher != nullptr) result.counts.emplace_back("teacher_parameters", count_parameters(teacher->parameters()));
  return result;
}

// Training is a distillation of one view, whose completions are real and whose only term is their cross-entropy.
DistillLanguageModel without_teacher(const TrainLanguageModel& options) {
  DistillLanguageModel same;
  same.run = options.run;
  same.trainable = options.trainable;
  std::visit([&](const auto& data) { same.rollout.prompts = data; }, options.data);
  same.rollout.author = generator::Author::kFixed;
  same.rollout.sampling.max_new_tokens = options.longest - 1;  // behind a window's first token
  same.teacher_view = same.student_view = options.view;
  same.loss.divergence_weight = 0;
  same.loss.cross_entropy = 1;
  same.loss.aggregation = options.aggregation;
  same.optimizer = options.optimizer;
  same.schedule = options.schedule;
  same.batch = same.draw = options.batch;
  same.micro_batch = options.micro_batch;
  same.longest = options.longest;
  same.clip_gradient = options.clip_gradient;
  same.evaluation = options.evaluation;
  return same;
}

// A model folder on the held-out data of `evaluation`.
LanguageEvaluation evaluate(const LanguageEvaluationOptions& options, const language::ViewOptions& view,
                            const std::string& model, const language::CausalLm* teacher,
                            const generator::TextOpener& open_texts) {
  const auto student = language::load_language_model(model);
  const language::PromptEncoder encoder(student.tokenizer);
  const language::View student_view(view, encoder);
  generator::LanguageActor writer(*student.model, encoder, torch::kFloat32);
  SeedStreams seeds(0);
  return LanguageEvaluator(options, open_texts, student_view, encoder)
      .evaluate(LanguageStudent(student.model, AllParameters{}, {}, seeds), teacher, writer);
}

}  // namespace

TrainingResult distill_language_model(const DistillLanguageModel& options, const RunEnvironment& environment) {
  SeedStreams seeds = begin(options.run);
  ModelPair models = load_models(options, seeds);
  return run({.name = DistillLanguageModel::kName, .model_folder = "student"}, options, std::move(models), seeds,
             environment);
}

TrainingResult train_language_model(const TrainLanguageModel& options, const RunEnvironment& environment) {
  SeedStreams seeds = begin(options.run);
  ModelPair models = load_models(options, seeds);
  return run({.name = TrainLanguageModel::kName,
              .model_folder = "model",
              .has_teacher = false,
              .learn_prompts = !options.answers_only},
             without_teacher(options), std::move(models), seeds, environment);
}

LanguageEvaluation evaluate_language_model(const DistillLanguageModel& options, const std::string& model,
                                           const generator::TextOpener& open_texts) {
  const std::string source = options.teacher.model.empty() ? options.student.from : options.teacher.model;
  const auto teacher = language::load_language_model(source);
  return evaluate(*options.evaluation, options.student_view, model, teacher.model.get(), open_texts);
}

LanguageEvaluation evaluate_language_model(const TrainLanguageModel& options, const std::string& model,
                                           const generator::TextOpener& open_texts) {
  return evaluate(*options.evaluation, options.view, model, nullptr, open_texts);
}

}  // namespace drystill::distiller
