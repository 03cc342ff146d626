#include "distiller/language/trained_student.h"

#include "language/adapters/trained_part.h"

namespace drystill::distiller {

void save_student(const std::filesystem::path& folder, const LanguageStudent& student, const RunModels& models,
                  const std::map<std::string, std::string>& metadata) {
  if (student.adapter()) {
    student.adapter()->save(folder, models.student_source);
  } else if (student.prefix()) {
    language::TrainedPart::save_prefix(folder, *student.prefix());
  } else {
    language::save_language_model(folder, *student.model(), models.student_source, metadata);
  }
}

LoadedStudent load_student(const std::filesystem::path& path,
                           const std::function<language::LanguageModel()>& load_first) {
  if (!language::TrainedPart::is_in(path)) {
    auto whole = language::load_language_model(path);
    return {LanguageStudent(whole.model), whole.tokenizer};
  }
  const auto [model, tokenizer] = load_first();
  const auto part = language::TrainedPart::load(path, model);
  if (part.adapter) return {LanguageStudent(model, part.adapter), tokenizer};
  return {LanguageStudent(model, part.prefix), tokenizer};
}

}  // namespace drystill::distiller
