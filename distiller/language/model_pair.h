#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "core/seeds.h"
#include "distiller/language/options.h"
#include "distiller/language/student.h"
#include "distiller/language/train_options.h"
#include "language/models/causal_lm.h"
#include "language/tokenizer/tokenizer.h"

namespace drystill::distiller {

// The models of a run and what they read with.
struct ModelPair {
  std::shared_ptr<language::CausalLm> teacher;  // null: the student's own weights, or no teacher at all
  std::shared_ptr<language::CausalLm> student;
  language::Tokenizer tokenizer;  // the student's; the teacher's has the same vocabulary
  std::string student_source;     // where the student's tokenizer comes from
};

// Fresh weights come from the stream "student.initialisation". InputError where the two do not read the same tokens.
ModelPair load_models(const DistillLanguageModel& options, SeedStreams& seeds);
ModelPair load_models(const TrainLanguageModel& options, SeedStreams& seeds);

// bfloat16: the teacher's weights, and the student's activations, as the options ask.
void set_precision(ModelPair& models, const PrecisionOptions& precision);

// The student as a Hugging Face folder; an adapter or a prefix as its own file in there.
void save_student(const std::filesystem::path& folder, const LanguageStudent& student, const ModelPair& models,
                  const std::map<std::string, std::string>& metadata);

}  // namespace drystill::distiller
