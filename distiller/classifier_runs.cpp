#include "distiller/classifier_runs.h"

#include "core/device.h"
#include "core/error.h"
#include "core/threads.h"
#include "distiller/classifier_learner.h"
#include "distiller/evaluator.h"
#include "distiller/labelled_source.h"
#include "distiller/synthetic_source.h"
#include "vision/classifier_file.h"
#include "vision/image_grid.h"
#include "vision/memory_format.h"
#include "vision/zoo.h"

namespace drystill::distiller {
namespace {

constexpr std::int64_t kGridImages = 64;
constexpr char kEvaluationPrefix[] = "drystill.test_";

// Where a run computes, and in what.
struct Machine {
  Machine(const RunOptions& run, Progress& progress)
      : device(begin(run)),
        dtype(compute_type(run.precision, device, progress)),
        channels_last(run.precision.channels_last),
        seeds(static_cast<std::uint64_t>(run.seed), device) {}

  torch::Device device;
  torch::ScalarType dtype;
  bool channels_last;
  SeedStreams seeds;

 private:
  static torch::Device begin(const RunOptions& run) {
    limit_threads(run.threads);
    return parse_device(run.device);
  }
};

// One of the run's models ("teacher", "student") on the device, in the memory order asked for.
vision::LoadedClassifier load(const vision::ModelOptions& options, const std::optional<vision::ImageSpec>& input,
                              const std::string& role, const std::string& key, Machine& machine) {
  auto loaded =
      vision::load_classifier(options, input, machine.seeds.cpu_stream(role + ".initialisation"), key + ".checkpoint");
  loaded.model->to(machine.device);
  if (machine.channels_last) vision::to_channels_last(*loaded.model);
  return loaded;
}

vision::LoadedClassifier load_teacher(const vision::ModelOptions& options,
                                      const std::optional<vision::ImageSpec>& input, Machine& machine) {
  auto teacher = load(options, input, "teacher", "teacher", machine);
  teacher.model->freeze();
  return teacher;
}

vision::LoadedClassifier load_trained_teacher(const DistillClassifier& options, Machine& machine) {
  if (options.teacher.checkpoint.empty()) {
    throw ConfigError(
        "teacher.checkpoint: is empty, and there is nothing to distil from an untrained teacher; name the file of a "
        "trained one");
  }
  return load_teacher(options.teacher, options.input, machine);
}

using Plan = std::vector<std::pair<std::string, std::string>>;

void add_model(Plan& plan, const std::string& role, const vision::LoadedClassifier& loaded) {
  plan.emplace_back(role, loaded.architecture);
  plan.emplace_back(role + "_parameters", std::to_string(vision::count_parameters(*loaded.model)));
}

vision::ExpectedImages expected_images(const vision::ImageSpec& input) {
  return {.channels = input.channels, .height = input.height, .width = input.width, .classes = input.classes};
}

// A picture of what the student sees: newest samples with the teacher's class and confidence.
void write_samples(std::int64_t step, generator::Synthesizer& synthesizer, vision::Classifier& teacher,
                   const vision::ImageSpec& input, SeedStreams& seeds, journal::Journal& journal) {
  torch::NoGradGuard no_grad;
  // Samples for the eye must not move the run: it would go on differently with another `sample_every`.
  State state;
  const StateWriter writer(state);
  seeds.save(writer.part("seeds"));
  synthesizer.save(writer.part("synthesizer"));
  const torch::Tensor images = synthesizer.sample(kGridImages).to(torch::kFloat32);
  const StateReader reader(state);
  seeds.load(reader.part("seeds"));
  synthesizer.load(reader.part("synthesizer"));

  const vision::Normaliser normalise(input, images.device());
  const auto probabilities = teacher.forward(normalise(images)).logits.to(torch::kFloat32).softmax(1);
  const auto [confidence, classes] = probabilities.max(1);
  std::vector<vision::Caption> captions;
  for (std::int64_t i = 0; i < images.size(0); ++i) {
    const auto label = classes[i].item<std::int64_t>();
    const auto index = static_cast<std::size_t>(label);
    captions.push_back({.name = index < input.class_names.size() ? input.class_names[index] : std::to_string(label),
                        .confidence = confidence[i].item<double>()});
  }
  const auto png = vision::encode_png(vision::draw_grid(images, captions));
  journal.sample_image(step, "samples", {reinterpret_cast<const char*>(png.data()), png.size()});
}

// Teacher, student, synthesizer, curriculum.
class ClassifierDistillation final : public PreparedRun {
 public:
  ClassifierDistillation(const DistillClassifier& options, const RunInputs& inputs)
      : options_(options),
        machine_(options.run, inputs.progress),
        teacher_(load_trained_teacher(options, machine_)),
        student_(load(options.student, teacher_.input, "student", "student", machine_)),
        synthesizer_(generator::make_synthesizer(options.generator,
                                                 {.teacher = teacher_.model,
                                                  .student = student_.model,
                                                  .image = teacher_.input,
                                                  .device = machine_.device,
                                                  .channels_last = machine_.channels_last,
                                                  .dtype = machine_.dtype},
                                                 machine_.seeds)),
        source_({.batch = options.batch,
                 .student_steps_per_generator_step = options.student_steps_per_generator_step,
                 .generator_batch = options.generator_batch,
                 .reuse_generator_batch = options.reuse_generator_batch,
                 .augment = options.augment,
                 .replay = options.replay},
                *synthesizer_, teacher_.input, machine_.device, machine_.dtype, machine_.seeds),
        learner_({.loss = options.loss,
                  .optimizer = options.optimizer,
                  .schedule = options.schedule,
                  .total_steps = options.run.loop.total_steps()},
                 student_.model, teacher_.model),
        scheduler_(curriculum::make_scheduler(options.curriculum, options.run.loop.total_steps(),
                                              options.run.loop.epoch_steps)) {
    if (!options.evaluation) return;
    test_images_ = inputs.open_dataset(*options.evaluation, vision::Split::kTest, expected_images(teacher_.input));
    evaluator_.emplace(test_images_, teacher_.input, machine_.device);
  }

  Plan plan() const override {
    Plan plan = {{"device", machine_.device.str()}};
    add_model(plan, "teacher", teacher_);
    add_model(plan, "student", student_);
    if (test_images_) plan.emplace_back("test_images", std::to_string(test_images_->size()));
    return plan;
  }

  TrainingResult run(const RunEnvironment& environment) override {
    for (const auto& notice : synthesizer_->notices()) environment.journal.info(notice);
    for (const auto& notice : notices(options_)) environment.journal.info(notice);
    LoopParts parts{.source = source_,
                    .learner = learner_,
                    .scheduler = *scheduler_,
                    .seeds = machine_.seeds,
                    .journal = environment.journal,
                    .progress = environment.progress,
                    .evaluate = {},
                    .draw_samples =
                        [&](std::int64_t step) {
                          write_samples(step, *synthesizer_, *teacher_.model, teacher_.input, machine_.seeds,
                                        environment.journal);
                        },
                    .checkpoints = environment.folder / "checkpoints"};
    if (evaluator_) {
      parts.evaluate = [this] { return evaluator_->evaluate(*student_.model, teacher_.model.get()).metrics(); };
    }

    TrainingResult result;
    result.loop = run_loop(options_.run.loop, parts);
    result.model = environment.folder / "student.safetensors";
    vision::save_classifier(
        result.model, *student_.model, student_.architecture, teacher_.input,
        provenance(DistillClassifier::kName, options_.run, result.loop, kEvaluationPrefix, environment));
    result.counts = {{"images_synthesized", synthesizer_->images_made()},
                     {"student_parameters", vision::count_parameters(*student_.model)},
                     {"teacher_parameters", vision::count_parameters(*teacher_.model)}};
    return result;
  }

 private:
  const DistillClassifier& options_;
  Machine machine_;
  vision::LoadedClassifier teacher_;
  vision::LoadedClassifier student_;
  std::unique_ptr<generator::Synthesizer> synthesizer_;
  SyntheticSource source_;
  ClassifierLearner learner_;
  std::unique_ptr<curriculum::Scheduler> scheduler_;
  std::shared_ptr<const vision::ImageSource> test_images_;  // null: no evaluation
  std::optional<Evaluator> evaluator_;
};

// A classifier, real images, perhaps a teacher.
class ClassifierTraining final : public PreparedRun {
 public:
  ClassifierTraining(const TrainClassifier& options, const RunInputs& inputs)
      : options_(options),
        machine_(options.run, inputs.progress),
        model_(load(options.model, options.input, "student", "model", machine_)),
        training_images_(inputs.open_dataset(options.data, vision::Split::kTrain, expected_images(model_.input))),
        test_images_(inputs.open_dataset(options.data, vision::Split::kTest, expected_images(model_.input))),
        source_(training_images_, model_.input, options.augment, options.batch, machine_.device, machine_.dtype,
                machine_.seeds),
        evaluator_(test_images_, model_.input, machine_.device),
        scheduler_(curriculum::make_scheduler(curriculum::ConstantOptions{}, options.run.loop.total_steps(),
                                              options.run.loop.epoch_steps)) {
    if (options.teacher) teacher_ = load_teacher(*options.teacher, options.input, machine_);
    learner_.emplace(ClassifierLearnerOptions{.loss = options.loss,
                                              .optimizer = options.optimizer,
                                              .schedule = options.schedule,
                                              .label_smoothing = options.label_smoothing,
                                              .total_steps = options.run.loop.total_steps()},
                     model_.model, teacher_ ? teacher_->model : nullptr);
  }

  Plan plan() const override {
    Plan plan = {{"device", machine_.device.str()}};
    add_model(plan, "model", model_);
    if (teacher_) add_model(plan, "teacher", *teacher_);
    plan.emplace_back("training_images", std::to_string(training_images_->size()));
    plan.emplace_back("test_images", std::to_string(test_images_->size()));
    return plan;
  }

  TrainingResult run(const RunEnvironment& environment) override {
    vision::Classifier* const teacher = teacher_ ? teacher_->model.get() : nullptr;
    TrainingResult result;
    result.loop =
        run_loop(options_.run.loop, {.source = source_,
                                     .learner = *learner_,
                                     .scheduler = *scheduler_,
                                     .seeds = machine_.seeds,
                                     .journal = environment.journal,
                                     .progress = environment.progress,
                                     .evaluate = [&] { return evaluator_.evaluate(*model_.model, teacher).metrics(); },
                                     .draw_samples = {},
                                     .checkpoints = environment.folder / "checkpoints"});
    result.model = environment.folder / "model.safetensors";
    vision::save_classifier(
        result.model, *model_.model, model_.architecture, model_.input,
        provenance(TrainClassifier::kName, options_.run, result.loop, kEvaluationPrefix, environment));
    result.counts = {{"student_parameters", vision::count_parameters(*model_.model)}};
    if (teacher) result.counts.emplace_back("teacher_parameters", vision::count_parameters(*teacher));
    return result;
  }

 private:
  const TrainClassifier& options_;
  Machine machine_;
  vision::LoadedClassifier model_;
  std::shared_ptr<const vision::ImageSource> training_images_;
  std::shared_ptr<const vision::ImageSource> test_images_;
  LabelledSource source_;
  Evaluator evaluator_;
  std::unique_ptr<curriculum::Scheduler> scheduler_;
  std::optional<vision::LoadedClassifier> teacher_;
  std::optional<ClassifierLearner> learner_;
};

}  // namespace

std::vector<std::string> notices(const DistillClassifier& options) {
  if (!options.reuse_generator_batch) return {};
  const bool small = options.generator_batch > 0 && options.generator_batch < options.batch;
  const bool replays = options.replay.capacity > 0 && options.replay.fraction > 0;
  const char* reason = options.augment.any() ? "`augment` changes the images"
                       : replays             ? "images of the replay bank stand beside them once it holds a batch"
                       : small               ? "`generator_batch` is smaller than `batch`"
                                             : nullptr;
  if (reason == nullptr) return {};
  return {
      "reuse_generator_batch saves no forward of the teacher here, it only learns from the generator step's images: " +
      std::string(reason)};
}

std::unique_ptr<PreparedRun> prepare(const DistillClassifier& options, const RunInputs& inputs) {
  return std::make_unique<ClassifierDistillation>(options, inputs);
}

std::unique_ptr<PreparedRun> prepare(const TrainClassifier& options, const RunInputs& inputs) {
  return std::make_unique<ClassifierTraining>(options, inputs);
}

TrainingResult distill_classifier(const DistillClassifier& options, const RunEnvironment& environment) {
  return prepare(options, environment.inputs())->run(environment);
}

TrainingResult train_classifier(const TrainClassifier& options, const RunEnvironment& environment) {
  return prepare(options, environment.inputs())->run(environment);
}

}  // namespace drystill::distiller
