#pragma once

#include <memory>

#include "distiller/language/evaluator.h"
#include "distiller/language/options.h"
#include "distiller/language/train_options.h"
#include "distiller/run_environment.h"

namespace drystill::distiller {

// The whole of `drystill distill` for language models: teacher, student, rollouts, views, curriculum, loop, and the
// last step's student as the Hugging Face folder <folder>/student (an adapter or a prefix: as its own file in there).
// Real text is asked of the environment's opener only, for `evaluation` and for prompt sources that name files.
TrainingResult distill_language_model(const DistillLanguageModel& options, const RunEnvironment& environment);

// The whole of `drystill train` for language models: the same loop and learner without a teacher, on real text or
// records; the last step's model is the Hugging Face folder <folder>/model.
TrainingResult train_language_model(const TrainLanguageModel& options, const RunEnvironment& environment);

// Either of them up to its first step. The options outlive it.
std::unique_ptr<PreparedRun> prepare(const DistillLanguageModel& options, const RunInputs& inputs);
std::unique_ptr<PreparedRun> prepare(const TrainLanguageModel& options, const RunInputs& inputs);

// A model folder (or .gguf), or a folder with an adapter or a prefix of the student of `options`, against their teacher
// on the real text and questions of `options.evaluation`, which must be there. A teacher that moved during the run
// (ema, live, trust_region) or was never loaded (cached) is in no file: the student is evaluated alone then.
LanguageEvaluation evaluate_language_model(const DistillLanguageModel& options, const std::string& model,
                                           const generator::TextOpener& open_texts);
LanguageEvaluation evaluate_language_model(const TrainLanguageModel& options, const std::string& model,
                                           const generator::TextOpener& open_texts);

}  // namespace drystill::distiller
