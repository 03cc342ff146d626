#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/fields.h"
#include "core/options.h"
#include "curriculum/options.h"
#include "distiller/language/options.h"
#include "distiller/language/train_options.h"
#include "distiller/run_options.h"
#include "generator/options.h"
#include "vision/augment_options.h"
#include "vision/dataset_options.h"
#include "vision/options.h"

namespace drystill::distiller {

// What the student learns from the teacher's logits.
enum class LossKind { kL1, kKl, kMse };
constexpr auto enum_names(LossKind) {
  return std::to_array<std::string_view>({"l1", "kl", "mse"});
}

struct LossOptions {
  LossKind kind = LossKind::kKl;
  double temperature = 4;

  template <class Field>
  void visit(Field&& field) {
    field("kind", kind, "l1 or mse on logits, or kl: KL(teacher || student) times T^2");
    field("temperature", temperature, "softmax temperature T of kl", positive());
  }
  bool operator==(const LossOptions&) const = default;
};

// `drystill distill`: a student from a frozen teacher, without its data.
struct DistillClassifier {
  static constexpr std::string_view kKey = "task";
  static constexpr std::string_view kName = "distill_classifier";
  RunOptions run;
  std::optional<vision::ImageSpec> input;
  vision::ModelOptions teacher;
  vision::ModelOptions student;
  generator::SynthesizerOptions generator;
  curriculum::SchedulerOptions curriculum = curriculum::SelfPacedOptions{};
  curriculum::ReplayOptions replay;
  vision::AugmentOptions augment{.crop_padding = 0, .flip = false, .mixup = 0};
  LossOptions loss;
  OptimizerOptions optimizer;
  ScheduleOptions schedule;
  std::int64_t batch = 256;
  std::int64_t student_steps_per_generator_step = 10;
  std::int64_t generator_batch = 0;
  bool reuse_generator_batch = false;
  std::optional<vision::DatasetOptions> evaluation;

  template <class Field>
  void visit(Field&& field) {
    run.visit(field);
    field("input", input, "the models' input; left out: taken from the teacher's checkpoint");
    field("teacher", teacher, "the model to distil");
    field("student", student, "the model to train; a checkpoint is optional");
    field("generator", generator, "how inputs are made");
    field("curriculum", curriculum, "how hard they are");
    field("replay", replay, "which come back");
    field("augment", augment, "changes to every student batch");
    field("loss", loss, "what the student minimises");
    field("optimizer", optimizer, "student's optimizer");
    field("schedule", schedule, "student's learning rate over the run");
    field("batch", batch, "samples a step", at_least(1));
    field("student_steps_per_generator_step", student_steps_per_generator_step, "student steps per generator step",
          at_least(1));
    field("generator_batch", generator_batch, "images a generator step; 0: as many as a student step", at_least(0));
    field("reuse_generator_batch", reuse_generator_batch,
          "the first student step after a generator step learns from its images; where they are the whole batch and "
          "`augment` is off, from the teacher's logits of that step too: one forward less");
    field("evaluation", evaluation, "real held-out data for reports only; training never opens it");
  }
  std::vector<Problem> problems() const {
    if (reuse_generator_batch && std::holds_alternative<generator::InversionOptions>(generator)) {
      return {{"reuse_generator_batch", "is for generator networks: inversion hands out every image by itself"}};
    }
    if (teacher.checkpoint.empty()) {
      return {{"teacher", "needs the `checkpoint` of a trained model: an untrained one has nothing to distil"}};
    }
    if (student.architecture.empty() && student.checkpoint.empty()) {
      return {{"student", "needs an `architecture`, or a `checkpoint` that says it"}};
    }
    const auto* self_paced = std::get_if<curriculum::SelfPacedOptions>(&curriculum);
    const bool weights_differ =
        curriculum::weighs_samples(curriculum) && self_paced->granularity == curriculum::Granularity::kPerSample;
    return curriculum::replay_problems(replay, batch, weights_differ);
  }
  bool operator==(const DistillClassifier&) const = default;
};

// `drystill train`: a classifier on real data; with `teacher`, its soft targets instead of labels.
struct TrainClassifier {
  static constexpr std::string_view kKey = "task";
  static constexpr std::string_view kName = "train_classifier";
  RunOptions run;
  vision::ImageSpec input;
  vision::ModelOptions model;
  std::optional<vision::ModelOptions> teacher;
  LossOptions loss;
  double label_smoothing = 0;
  vision::DatasetOptions data;
  vision::AugmentOptions augment;
  OptimizerOptions optimizer;
  ScheduleOptions schedule;
  std::int64_t batch = 128;

  template <class Field>
  void visit(Field&& field) {
    run.visit(field);
    field("input", input, "the model's input: shape, classes, normalisation");
    field("model", model, "the model to train");
    field("teacher", teacher, "learn this model's logits on the real images instead of their labels");
    field("loss", loss, "with a teacher: what the student minimises");
    field("label_smoothing", label_smoothing, "without a teacher: share of the target spread over all classes",
          between(0, 1));
    field("data", data, "training and test set");
    field("augment", augment, "changes to every batch");
    field("optimizer", optimizer, "optimizer");
    field("schedule", schedule, "learning rate over the run");
    field("batch", batch, "samples a step", at_least(1));
  }
  std::vector<Problem> problems() const {
    if (model.architecture.empty() && model.checkpoint.empty()) {
      return {{"model", "needs an `architecture`, or a `checkpoint` that says it"}};
    }
    if (augment.mixup > 0 && !teacher) return {{"augment", "mixup needs a teacher: a blend has no label"}};
    return {};
  }
  bool operator==(const TrainClassifier&) const = default;
};

using RunConfig = std::variant<DistillClassifier, TrainClassifier, DistillLanguageModel, TrainLanguageModel>;

}  // namespace drystill::distiller
