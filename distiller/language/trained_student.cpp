#include "distiller/language/trained_student.h"

#include "language/adapters/trained_part.h"

namespace drystill::distiller {

void save_student(const std::filesystem::path& folder, const LanguageStudent& student, const RunModels& models,
                  const std::map<std::string, std::string>& metadata) {
  // An adapter or a prefix is of no use without the model below it.
  std::string base = models.student_source;
  if ((student.adapter() || student.prefix()) && !models.student_is_source) {
    base = (folder / "base").string();
    language::save_language_model(base, *student.model(), models.student_source, metadata);
  }
  if (student.adapter()) {
    student.adapter()->save(folder, base);
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
