#include "distiller/language/runs.h"

#include "core/error.h"
#include "core/threads.h"
#include "distiller/language/cached_input.h"
#include "distiller/language/context_limits.h"
#include "distiller/language/evaluator.h"
#include "distiller/language/learner.h"
#include "distiller/language/plain_text_input.h"
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

std::optional<TeacherCache> cache_of(const DistillLanguageModel& options, const RunModels& models) {
  const auto* cached = std::get_if<CachedTeacher>(&options.teacher.weights);
  if (cached == nullptr) return std::nullopt;
  return open_cache(cached->file, options.loss, models.student_tokenizer);
}

LanguageLearnerOptions with_cache(const DistillLanguageModel& options, const RunModels& models,
                                  const std::optional<TeacherCache>& cache) {
  LanguageLearnerOptions result = learner_options(options, models);
  if (cache) result.cached_words = cache->facts().words;
  return result;
}

// What has no use where the teacher left its words in a file: the sequences are those of the file. One configuration is
// to serve both runs, so these are told and not refused.
std::string without_effect_of_cache(const DistillLanguageModel& options) {
  const std::vector<std::pair<const char*, bool>> asked = {
      {"ramps", options.ramps != curriculum::RolloutRampOptions{}},
      {"candidates", options.candidates != 1},
      {"passes", options.passes != 1},
      {"rollout.adversarial_prefix", options.rollout.adversarial_prefix.has_value()},
      {"rollout.keep", options.rollout.keep != generator::Keep::kAll},
      {"rollout.learn_only", !options.rollout.learn_only.empty()},
      {"loss.importance_clip", options.loss.importance_clip > 0}};
  std::string names;
  for (const auto& [name, is_asked] : asked) {
    if (is_asked) names.append(names.empty() ? "" : ", ").append(name);
  }
  return names;
}

class LanguageRun final : public PreparedRun {
 public:
  LanguageRun(const Task& task, DistillLanguageModel options, const RunInputs& inputs, SeedStreams seeds,
              RunModels models)
      : task_(task),
        options_(std::move(options)),
        open_texts_(inputs.open_texts),
        seeds_(std::move(seeds)),
        models_(std::move(models)),
        student_(models_.student, options_.trainable,
                 prefix_tokens(options_.trainable, models_.student_tokenizer, open_texts_), seeds_) {
    models_.set_dtype(compute_type(options_.run.precision, torch::kCPU, inputs.progress));
    cache_ = cache_of(options_, models_);
    learner_.emplace(with_cache(options_, models_, cache_), student_, teacher_of(task_, options_, models_, student_),
                     torch::kCPU);
    rollouts_.emplace(options_, models_, student_, *learner_, open_texts_, seeds_, inputs.progress,
                      task_.learn_prompts);
    learner_->on_step([this] { rollouts_->student_changed(); });
    if (cache_) cached_input_.emplace(*cache_, options_.batch, options_.longest, seeds_);
    if (options_.plain_text) add_plain_text(*options_.plain_text);
    if (options_.evaluation) {
      const bool compares = learner_->teacher() != nullptr && models_.shared_vocabulary;
      const auto read =
          context_limits(compares ? learner_->teacher()->models() : language::ModelMixture{}, 0, student_);
      check_window(*options_.evaluation, read);
      evaluator_.emplace(*options_.evaluation, open_texts_, rollouts_->student_view(), rollouts_->student_encoder(),
                         read.student);
    }
  }

  std::vector<std::pair<std::string, std::string>> plan() const override {
    std::vector<std::pair<std::string, std::string>> plan = {{"device", "cpu"}};
    if (learner_->teacher() != nullptr) plan.emplace_back("teacher_parameters", std::to_string(teacher_parameters()));
    plan.emplace_back("student", models_.student_source);
    plan.emplace_back("student_parameters", std::to_string(count_parameters(models_.student->parameters())));
    plan.emplace_back("trained_parameters", std::to_string(count_parameters(student_.trainable())));
    if (cache_) plan.emplace_back("cached_sequences", std::to_string(cache_->size()));
    return plan;
  }

  TrainingResult run(const RunEnvironment& environment) override {
    const auto scheduler =
        curriculum::make_scheduler(options_.curriculum, options_.run.loop.total_steps(), options_.run.loop.epoch_steps);
    LoopParts parts{.source = plain_text_ ? static_cast<InputSource&>(*plain_text_) : completions(),
                    .learner = *learner_,
                    .scheduler = *scheduler,
                    .seeds = seeds_,
                    .journal = environment.journal,
                    .progress = environment.progress,
                    .evaluate = {},
                    .draw_samples = {},
                    .checkpoints = environment.folder / "checkpoints"};
    if (evaluator_) parts.evaluate = [this] { return evaluate_student(); };
    if (const std::string names = without_effect_of_cache(options_); cache_ && !names.empty()) {
      environment.journal.info("with a cached teacher these have no effect: " + names);
    }

    TrainingResult result;
    result.loop = run_loop(options_.run.loop, parts);
    result.model = environment.folder / task_.model_folder;
    save_student(result.model, student_, models_,
                 provenance(task_.name, options_.run, result.loop, "drystill.text_", environment));
    result.counts = counts();
    return result;
  }

 private:
  InputSource& completions() { return cached_input_ ? static_cast<InputSource&>(*cached_input_) : rollouts_->input(); }

  void add_plain_text(const PlainTextOptions& options) {
    if (!models_.shared_vocabulary) {
      throw ConfigError("plain_text: needs a student of the teacher's vocabulary");
    }
    const std::int64_t length = options.length > 0 ? options.length : options_.longest;
    plain_text_.emplace(
        completions(),
        generator::make_prompt_source(generator::TextPrompts{options.paths}, {.encoder = rollouts_->student_encoder(),
                                                                              .teacher = rollouts_->student_actor(),
                                                                              .open_texts = open_texts_,
                                                                              .completion_length = length - 1,
                                                                              .seeds = seeds_,
                                                                              .stream = "plain_text"}),
        options.batch > 0 ? options.batch : options_.batch);
  }

  Metrics evaluate_student() {
    std::optional<EvaluationTeacher> teacher;
    if (const auto* models_now = learner_->teacher(); models_now != nullptr && models_.shared_vocabulary) {
      teacher = {.models = models_now->models(), .stays = !models_now->moves()};
    }
    return evaluator_->evaluate(student_, teacher ? &*teacher : nullptr, rollouts_->student_actor()).metrics;
  }

  std::int64_t teacher_parameters() const {
    std::int64_t total = 0;
    for (const auto* model : learner_->teacher()->models().models) total += count_parameters(model->parameters());
    return total;
  }

  std::vector<std::pair<std::string, std::int64_t>> counts() {
    std::vector<std::pair<std::string, std::int64_t>> counts = {
        {"trained_parameters", count_parameters(student_.trainable())},
        {"student_parameters", count_parameters(models_.student->parameters())}};
    if (cache_) {
      counts.emplace_back("cached_sequences", cache_->size());
      return counts;
    }
    counts.emplace(counts.begin(), task_.has_teacher ? "tokens_written" : "tokens_read",
                   rollouts_->input().tokens_written());
    if (learner_->teacher() != nullptr) counts.emplace_back("teacher_parameters", teacher_parameters());
    return counts;
  }

  Task task_;
  DistillLanguageModel options_;
  generator::TextOpener open_texts_;
  SeedStreams seeds_;
  RunModels models_;
  LanguageStudent student_;
  std::optional<TeacherCache> cache_;
  std::optional<LanguageLearner> learner_;
  std::optional<RolloutParts> rollouts_;
  std::optional<CachedInput> cached_input_;
  std::optional<PlainTextInput> plain_text_;
  std::optional<LanguageEvaluator> evaluator_;
};

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

std::unique_ptr<PreparedRun> prepare(const DistillLanguageModel& options, const RunInputs& inputs) {
  SeedStreams seeds = begin(options.run);
  RunModels models = load_run_models(options, seeds);
  return std::make_unique<LanguageRun>(Task{.name = DistillLanguageModel::kName, .model_folder = "student"}, options,
                                       inputs, std::move(seeds), std::move(models));
}

std::unique_ptr<PreparedRun> prepare(const TrainLanguageModel& options, const RunInputs& inputs) {
  SeedStreams seeds = begin(options.run);
  RunModels models = load_run_models(options, seeds);
  return std::make_unique<LanguageRun>(Task{.name = TrainLanguageModel::kName,
                                            .model_folder = "model",
                                            .has_teacher = false,
                                            .learn_prompts = !options.answers_only},
                                       without_teacher(options), inputs, std::move(seeds), std::move(models));
}

TrainingResult distill_language_model(const DistillLanguageModel& options, const RunEnvironment& environment) {
  return prepare(options, environment.inputs())->run(environment);
}

TrainingResult train_language_model(const TrainLanguageModel& options, const RunEnvironment& environment) {
  return prepare(options, environment.inputs())->run(environment);
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
  bool knows_words = true;
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
  } else if (std::holds_alternative<FrozenTeacher>(options.teacher.weights)) {
    add(own, 1);
  } else if (std::holds_alternative<InitialTeacher>(options.teacher.weights)) {
    SeedStreams seeds = begin(options.run);
    auto first = load_first_student(options, seeds);
    knows_words = language::same_vocabulary(first.tokenizer, student.tokenizer);
    teachers.push_back(std::move(first.model));
    mixture = language::alone(*teachers.back());
  }
  const bool comparable = knows_words && !mixture.models.empty();
  return evaluate(*options.evaluation, options.student_view, student, comparable ? &teacher : nullptr, open_texts);
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
