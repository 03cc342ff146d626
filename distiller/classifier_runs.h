#pragma once

#include "distiller/options.h"
#include "distiller/run_environment.h"

namespace drystill::distiller {

// The whole of `drystill distill`: teacher, student, synthesizer, curriculum, loop, and the last step's student as
// <folder>/student.safetensors. The opener is asked for the test split of `evaluation` only.
TrainingResult distill_classifier(const DistillClassifier& options, const RunEnvironment& environment);

// The whole of `drystill train`: a classifier on real data, as <folder>/model.safetensors.
TrainingResult train_classifier(const TrainClassifier& options, const RunEnvironment& environment);

}  // namespace drystill::distiller
