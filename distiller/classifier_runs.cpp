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

// The model on the device, in the memory order asked for.
void place(vision::Classifier& model, torch::Device device, const PrecisionOptions& precision) {
  model.to(device);
  if (precision.channels_last) vision::to_channels_last(model);
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
  const torch::Tensor images = synthesizer.sample(kGridImages).to(torch::kFloat32).clamp(0, 1);
  const StateReader reader(state);
  seeds.load(reader.part("seeds"));
  synthesizer.load(reader.part("synthesizer"));

  const vision::Normaliser normalise(input.mean, input.stddev, images.device());
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

}  // namespace

TrainingResult distill_classifier(const DistillClassifier& options, const RunEnvironment& environment) {
  limit_threads(options.run.threads);
  const torch::Device device = parse_device(options.run.device);
  const torch::ScalarType dtype = compute_type(options.run.precision, device, environment.progress);
  SeedStreams seeds(static_cast<std::uint64_t>(options.run.seed), device);

  auto teacher = vision::load_classifier(options.teacher, options.input, seeds.cpu_stream("teacher.initialisation"));
  if (options.teacher.checkpoint.empty()) {
    throw ConfigError("teacher.checkpoint is empty: there is nothing to distil from an untrained teacher");
  }
  auto student = vision::load_classifier(options.student, teacher.input, seeds.cpu_stream("student.initialisation"));
  place(*teacher.model, device, options.run.precision);
  place(*student.model, device, options.run.precision);
  teacher.model->freeze();

  auto synthesizer = generator::make_synthesizer(options.generator,
                                                 {.teacher = teacher.model,
                                                  .student = student.model,
                                                  .image = teacher.input,
                                                  .device = device,
                                                  .channels_last = options.run.precision.channels_last,
                                                  .dtype = dtype},
                                                 seeds);
  for (const auto& notice : synthesizer->notices()) environment.journal.info(notice);

  SyntheticSource source({.batch = options.batch,
                          .student_steps_per_generator_step = options.student_steps_per_generator_step,
                          .generator_batch = options.generator_batch,
                          .reuse_generator_batch = options.reuse_generator_batch,
                          .augment = options.augment,
                          .replay = options.replay},
                         *synthesizer, teacher.input, device, dtype, seeds);
  const std::int64_t total_steps = options.run.loop.total_steps();
  ClassifierLearner learner(
      {.loss = options.loss, .optimizer = options.optimizer, .schedule = options.schedule, .total_steps = total_steps},
      student.model, teacher.model);
  const auto scheduler = curriculum::make_scheduler(options.curriculum, total_steps, options.run.loop.epoch_steps);

  std::optional<Evaluator> evaluator;
  if (options.evaluation) {
    evaluator.emplace(
        environment.open_dataset(*options.evaluation, vision::Split::kTest, expected_images(teacher.input)),
        teacher.input, device);
  }

  LoopParts parts{.source = source,
                  .learner = learner,
                  .scheduler = *scheduler,
                  .seeds = seeds,
                  .journal = environment.journal,
                  .progress = environment.progress,
                  .evaluate = {},
                  .draw_samples =
                      [&](std::int64_t step) {
                        write_samples(step, *synthesizer, *teacher.model, teacher.input, seeds, environment.journal);
                      },
                  .checkpoints = environment.folder / "checkpoints"};
  if (evaluator) {
    parts.evaluate = [&] { return evaluator->evaluate(*student.model, teacher.model.get()).metrics(); };
  }

  TrainingResult result;
  result.loop = run_loop(options.run.loop, parts);
  result.model = environment.folder / "student.safetensors";
  vision::save_classifier(result.model, *student.model, student.architecture, teacher.input,
                          provenance(DistillClassifier::kName, options.run, result.loop, kEvaluationPrefix));
  result.counts = {{"images_synthesized", synthesizer->images_made()},
                   {"student_parameters", vision::count_parameters(*student.model)},
                   {"teacher_parameters", vision::count_parameters(*teacher.model)}};
  return result;
}

TrainingResult train_classifier(const TrainClassifier& options, const RunEnvironment& environment) {
  limit_threads(options.run.threads);
  const torch::Device device = parse_device(options.run.device);
  const torch::ScalarType dtype = compute_type(options.run.precision, device, environment.progress);
  SeedStreams seeds(static_cast<std::uint64_t>(options.run.seed), device);

  auto model = vision::load_classifier(options.model, options.input, seeds.cpu_stream("student.initialisation"));
  place(*model.model, device, options.run.precision);
  std::shared_ptr<vision::Classifier> teacher;
  if (options.teacher) {
    auto loaded = vision::load_classifier(*options.teacher, options.input, seeds.cpu_stream("teacher.initialisation"));
    place(*loaded.model, device, options.run.precision);
    loaded.model->freeze();
    teacher = loaded.model;
  }

  const auto expected = expected_images(model.input);
  LabelledSource source(environment.open_dataset(options.data, vision::Split::kTrain, expected), model.input,
                        options.augment, options.batch, device, dtype, seeds);
  Evaluator evaluator(environment.open_dataset(options.data, vision::Split::kTest, expected), model.input, device);

  const std::int64_t total_steps = options.run.loop.total_steps();
  ClassifierLearner learner({.loss = options.loss,
                             .optimizer = options.optimizer,
                             .schedule = options.schedule,
                             .label_smoothing = options.label_smoothing,
                             .total_steps = total_steps},
                            model.model, teacher);
  const auto scheduler =
      curriculum::make_scheduler(curriculum::ConstantOptions{}, total_steps, options.run.loop.epoch_steps);

  TrainingResult result;
  result.loop =
      run_loop(options.run.loop, {.source = source,
                                  .learner = learner,
                                  .scheduler = *scheduler,
                                  .seeds = seeds,
                                  .journal = environment.journal,
                                  .progress = environment.progress,
                                  .evaluate = [&] { return evaluator.evaluate(*model.model, teacher.get()).metrics(); },
                                  .draw_samples = {},
                                  .checkpoints = environment.folder / "checkpoints"});
  result.model = environment.folder / "model.safetensors";
  vision::save_classifier(result.model, *model.model, model.architecture, model.input,
                          provenance(TrainClassifier::kName, options.run, result.loop, kEvaluationPrefix));
  result.counts = {{"student_parameters", vision::count_parameters(*model.model)}};
  if (teacher) result.counts.emplace_back("teacher_parameters", vision::count_parameters(*teacher));
  return result;
}

}  // namespace drystill::distiller
