#include "distiller/language/runs.h"

#include "core/error.h"
#include "core/threads.h"
#include "distiller/language/cached_input.h"
#include "distiller/language/context_limits.h"
#include "distiller/language/evaluator.h"
#include "distiller/language/learner.h"
#include "distiller/language/rollout_parts.h"
#include "distiller/language/run_models.h"
#include "distiller/language/student.h"
#include "distiller/language/teacher_cache.h"
#include "distiller/language/trained_student.h"
#include "language/load_language_model.h"

namespace drystill::distiller {
namespace {

std::int64_t count_parameters(const std::vector<torch::Tensor>& parameters) {
  std::int64_t total = 0;
  for (const torch::Tensor& parameter : parameters) total += parameter.numel();
  return total;
}

TeacherCache open_cache(const std::string& file, const LanguageLossOptions& loss,
                        const language::Tokenizer& tokenizer) {
  TeacherCache cache{file};
  if (cache.facts().vocabulary != language::vocabulary_fingerprint(tokenizer)) {
    throw InputError(file + ": was written by a teacher of another vocabulary (" + cache.facts().teacher +
                     ") than the student's; distillation token by token needs one tokenizer");
  }
  if (loss.divergence_weight > 0 && loss.divergence.k > cache.facts().k && cache.facts().k < cache.facts().words) {
    throw ConfigError("loss.divergence.k: is " + std::to_string(loss.divergence.k) + ", but " + file + " keeps " +
                      std::to_string(cache.facts().k) + " words a token; lower it, or write the file with --k");
  }
  return cache;
}

SeedStreams begin(const RunOptions& run) {
  limit_threads(run.threads);
  return SeedStreams(static_cast<std::uint64_t>(run.seed), cpu_only(run.device));
}

// What tells one task from another once its models are loaded.
struct Task {
  std::string_view name;
  const char* model_folder;  // of the trained model, in the run folder
  bool has_teacher = true;
  bool learn_prompts = false;
};

std::unique_ptr<LanguageTeacher> teacher_of(const Task& task, const DistillLanguageModel& options,
                                            const RunModels& models, const LanguageStudent& student) {
  return task.has_teacher ? make_language_teacher(options.teacher.weights, models.teachers, student) : nullptr;
}

TrainingResult run(const Task& task, const DistillLanguageModel& options, RunModels models, SeedStreams& seeds,
                   const RunEnvironment& environment) {
  LanguageStudent student(models.student, options.trainable,
                          prefix_tokens(options.trainable, models.student_tokenizer, environment.open_texts), seeds);
  models.set_dtype(compute_type(options.run.precision, torch::kCPU, environment.progress));

  LanguageLearnerOptions to_learn = learner_options(options, models);
  std::optional<TeacherCache> cache;
  if (const auto* cached = std::get_if<CachedTeacher>(&options.teacher.weights)) {
    cache.emplace(open_cache(cached->file, options.loss, models.student_tokenizer));
    to_learn.cached_words = cache->facts().words;
  }
  LanguageLearner learner(to_learn, student, teacher_of(task, options, models, student), torch::kCPU);
  RolloutParts rollouts(options, models, student, learner, environment.open_texts, seeds, environment.progress,
                        task.learn_prompts);
  learner.on_step([&] { rollouts.student_changed(); });
  std::optional<CachedInput> cached_input;
  if (cache) cached_input.emplace(*cache, options.batch, options.longest, seeds);
  const auto scheduler =
      curriculum::make_scheduler(options.curriculum, options.run.loop.total_steps(), options.run.loop.epoch_steps);

  LoopParts parts{.source = cache ? static_cast<InputSource&>(*cached_input) : rollouts.input(),
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
    const bool compares = learner.teacher() != nullptr && models.shared_vocabulary;
    const auto read = context_limits(compares ? learner.teacher()->models() : language::ModelMixture{}, 0, student);
    check_window(*options.evaluation, read);
    evaluator.emplace(*options.evaluation, environment.open_texts, rollouts.student_view(), rollouts.student_encoder(),
                      read.student);
    parts.evaluate = [&] {
      std::optional<EvaluationTeacher> teacher;
      if (const auto* models_now = learner.teacher(); models_now != nullptr && models.shared_vocabulary) {
        teacher = {.models = models_now->models(), .stays = !models_now->moves()};
      }
      return evaluator->evaluate(student, teacher ? &*teacher : nullptr, rollouts.student_actor()).metrics;
    };
  }

  TrainingResult result;
  result.loop = run_loop(options.run.loop, parts);
  result.model = environment.folder / task.model_folder;
  save_student(result.model, student, models, provenance(task.name, options.run, result.loop, "drystill.text_"));
  result.counts = {{"trained_parameters", count_parameters(student.trainable())},
                   {"student_parameters", count_parameters(models.student->parameters())}};
  if (cache) {
    result.counts.emplace_back("cached_sequences", cache->size());
    return result;
  }
  result.counts.emplace(result.counts.begin(), task.has_teacher ? "tokens_written" : "tokens_read",
                        rollouts.input().tokens_written());
  if (learner.teacher() == nullptr) return result;
  std::int64_t teacher_parameters = 0;
  for (const auto* model : learner.teacher()->models().models) {
    teacher_parameters += count_parameters(model->parameters());
  }
  result.counts.emplace_back("teacher_parameters", teacher_parameters);
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

// A student on the held-out data of `evaluation`, beside a teacher or (null) alone.
LanguageEvaluation evaluate(const LanguageEvaluationOptions& options, const language::ViewOptions& view,
                            const LoadedStudent& loaded, const EvaluationTeacher* teacher,
                            const generator::TextOpener& open_texts) {
  const language::PromptEncoder encoder(loaded.tokenizer);
  const language::View student_view(view, encoder);
  generator::LanguageActor writer(*loaded.student.model(), encoder, {.prefix = loaded.student.prefix().get()});
  const auto limits = context_limits(teacher ? teacher->models : language::ModelMixture{}, 0, loaded.student);
  check_window(options, limits);
  return LanguageEvaluator(options, open_texts, student_view, encoder, limits.student)
      .evaluate(loaded.student, teacher, writer);
}

}  // namespace

TrainingResult distill_language_model(const DistillLanguageModel& options, const RunEnvironment& environment) {
  SeedStreams seeds = begin(options.run);
  return run({.name = DistillLanguageModel::kName, .model_folder = "student"}, options, load_run_models(options, seeds),
             seeds, environment);
}

TrainingResult train_language_model(const TrainLanguageModel& options, const RunEnvironment& environment) {
  SeedStreams seeds = begin(options.run);
  return run({.name = TrainLanguageModel::kName,
              .model_folder = "model",
              .has_teacher = false,
              .learn_prompts = !options.answers_only},
             without_teacher(options), load_run_models(options, seeds), seeds, environment);
}

LanguageEvaluation evaluate_language_model(const DistillLanguageModel& options, const std::string& model,
                                           const generator::TextOpener& open_texts) {
  const LoadedStudent student = load_student(model, [&] {
    SeedStreams seeds = begin(options.run);
    return load_first_student(options, seeds);
  });
  std::vector<std::shared_ptr<language::CausalLm>> teachers;
  EvaluationTeacher teacher;
  language::ModelMixture& mixture = teacher.models;
  bool knows_words = !std::holds_alternative<CachedTeacher>(options.teacher.weights);
  const auto add = [&](const std::string& source, double share) {
    auto loaded = language::load_language_model(source);
    knows_words = knows_words && language::same_vocabulary(loaded.tokenizer, student.tokenizer);
    teachers.push_back(std::move(loaded.model));
    mixture.models.push_back(teachers.back().get());
    mixture.shares.push_back(share);
  };
  const std::string& own = options.teacher.model.empty() ? options.student.from : options.teacher.model;
  if (const auto* ensemble = std::get_if<EnsembleTeacher>(&options.teacher.weights)) {
    add(own, ensemble->share);
    for (const EnsembleMember& other : ensemble->others) add(other.model, other.share);
    mixture.mean = ensemble->mean;
  } else if (knows_words) {
    add(own, 1);
  }
  return evaluate(*options.evaluation, options.student_view, student, knows_words ? &teacher : nullptr, open_texts);
}

LanguageEvaluation evaluate_language_model(const TrainLanguageModel& options, const std::string& model,
                                           const generator::TextOpener& open_texts) {
  const LoadedStudent student = load_student(model, [&] {
    SeedStreams seeds = begin(options.run);
    return load_first_student(options, seeds);
  });
  return evaluate(*options.evaluation, options.view, student, nullptr, open_texts);
}

}  // namespace drystill::distiller
