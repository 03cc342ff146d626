#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "distiller/language/run_models.h"
#include "distiller/language/student.h"
#include "language/load_language_model.h"
#include "language/tokenizer/tokenizer.h"

// What a run leaves of its student: a Hugging Face folder with the whole model, a PEFT folder with an adapter, or a
// folder with a prefix of keys and values. The last two have the model that they belong to in `base` where no other
// file has it: a student that lost layers, or began with fresh weights.

namespace drystill::distiller {

void save_student(const std::filesystem::path& folder, const LanguageStudent& student, const RunModels& models,
                  const std::map<std::string, std::string>& metadata);

struct LoadedStudent {
  LanguageStudent student;
  language::Tokenizer tokenizer;
};

// Reads any of the three, and any other model. load_first: the student as it was before the first step, to which an
// adapter or a prefix belongs. Throws what loading throws.
LoadedStudent load_student(const std::filesystem::path& path,
                           const std::function<language::LanguageModel()>& load_first);

}  // namespace drystill::distiller
