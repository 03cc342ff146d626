#pragma once

#include <memory>
#include <string>
#include <vector>

#include "distiller/options.h"
#include "distiller/run_environment.h"

namespace drystill::distiller {

// The whole of `drystill distill`: teacher, student, synthesizer, curriculum, loop, and the last step's student as
// <folder>/student.safetensors. The opener is asked for the test split of `evaluation` only.
TrainingResult distill_classifier(const DistillClassifier& options, const RunEnvironment& environment);

// Sentences a user should see once: an option that the others leave without effect.
std::vector<std::string> notices(const DistillClassifier& options);

// The whole of `drystill train`: a classifier on real data, as <folder>/model.safetensors.
TrainingResult train_classifier(const TrainClassifier& options, const RunEnvironment& environment);

// Either of them up to its first step. The options outlive it.
std::unique_ptr<PreparedRun> prepare(const DistillClassifier& options, const RunInputs& inputs);
std::unique_ptr<PreparedRun> prepare(const TrainClassifier& options, const RunInputs& inputs);

}  // namespace drystill::distiller
