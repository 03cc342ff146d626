#pragma once

#include <filesystem>

#include "core/progress.h"
#include "distiller/loop.h"
#include "journal/journal.h"
#include "vision/datasets/dataset.h"

namespace drystill::distiller {

// What a run is given from outside: where to write, whom to tell, how to open real data.
struct RunEnvironment {
  std::filesystem::path folder;
  journal::Journal& journal;
  Progress& progress;
  vision::DatasetOpener open_dataset;
};

struct ClassifierRunResult {
  RunResult loop;
  std::filesystem::path model;  // the trained model's file
  std::int64_t student_parameters = 0;
  std::int64_t teacher_parameters = 0;
  std::int64_t images_synthesized = 0;
};

// The whole of `drystill distill`: teacher, student, synthesizer, curriculum, loop, and the last step's student as
// <folder>/student.safetensors. The opener is asked for the test split of `evaluation` only.
ClassifierRunResult distill_classifier(const DistillClassifier& options, const RunEnvironment& environment);

// The whole of `drystill train`: a classifier on real data, as <folder>/model.safetensors.
ClassifierRunResult train_classifier(const TrainClassifier& options, const RunEnvironment& environment);

}  // namespace drystill::distiller
