#include "distiller/language/runs.h"

#include "core/error.h"
#include "core/threads.h"
#include "distiller/language/cached_input.h"
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

}  // namespace

TrainingResult distill_language_model(const DistillLanguageModel& options, const RunEnvironment& environment) {
  limit_threads(options.run.threads);
  const torch::Device device = cpu_only(options.run.device);
  SeedStreams seeds(static_cast<std::uint64_t>(options.run.seed), device);
  RunModels models = load_run_models(options);
  LanguageStudent student(models.student, options.trainable,
                          prefix_tokens(options.trainable, models.student_tokenizer, environment.open_texts), seeds);
  models.set_precision(options.run.precision);

  const std::int64_t total_steps = options.run.loop.total_steps();
  LanguageLearnerOptions to_learn = learner_options(options, models);
  std::optional<TeacherCache> cache;
  if (const auto* cached = std::get_if<CachedTeacher>(&options.teacher.weights)) {
    cache.emplace(open_cache(cached->file, options.loss, models.student_tokenizer));
    to_learn.cached_words = cache->facts().words;
  }
  LanguageLearner learner(to_learn, student, make_language_teacher(options.teacher.weights, models.teachers, student),
                          device);
  std::optional<RolloutParts> rollouts;
  std::optional<CachedInput> cached_input;
  if (cache) {
    cached_input.emplace(*cache, options.batch, options.longest, seeds);
  } else {
    rollouts.emplace(options, models, student, learner, environment.open_texts, seeds);
    learner.on_step([&] { rollouts->student_changed(); });
  }
  const auto scheduler = curriculum::make_scheduler(options.curriculum, total_steps, options.run.loop.epoch_steps);

  std::optional<TextEvaluator> evaluator;
  if (options.evaluation) {
    evaluator.emplace(*options.evaluation, environment.open_texts(options.evaluation->texts), models.student_tokenizer);
  }
  LoopParts parts{.source = cache ? static_cast<InputSource&>(*cached_input) : rollouts->input(),
                  .learner = learner,
                  .scheduler = *scheduler,
                  .seeds = seeds,
                  .journal = environment.journal,
                  .progress = environment.progress,
                  .evaluate = {},
                  .draw_samples = {},
                  .checkpoints = environment.folder / "checkpoints"};
  if (evaluator) {
    parts.evaluate = [&] {
      if (learner.teacher() == nullptr) return evaluator->evaluate(student, nullptr).metrics();
      const language::ModelMixture teacher = learner.teacher()->models();
      return evaluator->evaluate(student, models.shared_vocabulary ? &teacher : nullptr).metrics();
    };
  }

  TrainingResult result;
  result.loop = run_loop(options.run.loop, parts);
  result.model = environment.folder / "student";
  save_student(result.model, student, models,
               provenance(DistillLanguageModel::kName, options.run, result.loop, "drystill.text_"));
  result.counts = {{"trained_parameters", count_parameters(student.trainable())},
                   {"student_parameters", count_parameters(models.student->parameters())}};
  if (cache) {
    result.counts.emplace_back("cached_sequences", cache->size());
    return result;
  }
  std::int64_t teacher_parameters = 0;
  for (const auto* model : learner.teacher()->models().models) {
    teacher_parameters += count_parameters(model->parameters());
  }
  result.counts.emplace(result.counts.begin(), "tokens_written", rollouts->input().tokens_written());
  result.counts.emplace_back("teacher_parameters", teacher_parameters);
  return result;
}

TextEvaluation evaluate_language_model(const DistillLanguageModel& options, const std::string& model,
                                       const generator::TextOpener& open_texts) {
  const auto [student, tokenizer] = load_student(options, model);
  std::vector<std::shared_ptr<language::CausalLm>> teachers;
  language::ModelMixture mixture;
  bool knows_words = !std::holds_alternative<CachedTeacher>(options.teacher.weights);
  const auto add = [&](const std::string& source, double share) {
    auto teacher = language::load_language_model(source);
    knows_words = knows_words && language::same_vocabulary(teacher.tokenizer, tokenizer);
    teachers.push_back(std::move(teacher.model));
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
  const TextEvaluator evaluator(*options.evaluation, open_texts(options.evaluation->texts), tokenizer);
  return evaluator.evaluate(student, knows_words ? &mixture : nullptr);
}

}  // namespace drystill::distiller
