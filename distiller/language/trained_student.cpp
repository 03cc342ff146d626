#include "distiller/language/trained_student.h"

namespace drystill::distiller {
namespace {

constexpr char kAdapterFile[] = "adapter_config.json";
constexpr char kPrefixFile[] = "kv_prefix.safetensors";

}  // namespace

void save_student(const std::filesystem::path& folder, const LanguageStudent& student, const RunModels& models,
                  const std::map<std::string, std::string>& metadata) {
  if (student.adapter()) {
    student.adapter()->save(folder, models.student_source);
  } else if (student.prefix()) {
    std::filesystem::create_directories(folder);
    student.prefix()->save(folder / kPrefixFile);
  } else {
    language::save_language_model(folder, *student.model(), models.student_source, metadata);
  }
}

LoadedStudent load_student(const std::filesystem::path& path,
                           const std::function<language::LanguageModel()>& load_first) {
  const bool adapter = std::filesystem::exists(path / kAdapterFile);
  if (!adapter && !std::filesystem::exists(path / kPrefixFile)) {
    auto whole = language::load_language_model(path);
    return {LanguageStudent(whole.model), whole.tokenizer};
  }
  const auto [model, tokenizer] = load_first();
  if (adapter) return {LanguageStudent(model, language::LoraAdapter::load(path, model)), tokenizer};
  return {LanguageStudent(model, language::KvPrefix::load(path / kPrefixFile, model->options())), tokenizer};
}

}  // namespace drystill::distiller
