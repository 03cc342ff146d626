#pragma once

#include <vector>

#include "distiller/language/learner.h"
#include "tests/support/tiny_language_model.h"

// What the tests of the learner and of its teachers share.

namespace drystill::distiller::testing {

using drystill::testing::tiny_language_model;

inline const std::vector<Sequence> kSequences = {
    {.teacher_prompt = {1, 2, 3}, .student_prompt = {4}, .completion = {10, 11}},
    {.teacher_prompt = {5}, .student_prompt = {6, 7}, .completion = {12, 13, 14, 15}},
    {.teacher_prompt = {9}, .student_prompt = {9}, .completion = {100}},
};

inline Batch batch_of(std::vector<Sequence> sequences) {
  Batch batch;
  batch.sequences = std::move(sequences);
  return batch;
}

inline LanguageLearnerOptions options_with(std::int64_t micro_batch,
                                           Aggregation aggregation = Aggregation::kTokenMean) {
  LanguageLearnerOptions options;
  options.micro_batch = micro_batch;
  options.loss.aggregation = aggregation;
  options.optimizer = SgdOptions{.learning_rate = 0.5, .momentum = 0, .weight_decay = 0};
  options.schedule.kind = ScheduleKind::kConstant;
  options.clip_gradient = 0;
  return options;
}

struct Fixture {
  explicit Fixture(const LanguageLearnerOptions& options, std::uint64_t student_seed = 2,
                   const TeacherWeights& weights = FrozenTeacher{}, const TrainableOptions& trainable = AllParameters{})
      : student(tiny_language_model(student_seed), trainable, {}, seeds),
        learner(options, student,
                make_language_teacher(weights, {tiny_language_model(1), tiny_language_model(7)}, student),
                torch::kCPU) {}
  StepReport step(const std::vector<Sequence>& sequences, const curriculum::StagePlan& plan = {}) {
    return learner.step(batch_of(sequences), plan);
  }
  SeedStreams seeds{0};
  LanguageStudent student;
  LanguageLearner learner;
};

inline double distance(const LanguageStudent& a, const LanguageStudent& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.trainable().size(); ++i) {
    largest = std::max(largest, (a.trainable()[i] - b.trainable()[i]).abs().max().item<double>());
  }
  return largest;
}

}  // namespace drystill::distiller::testing
