#include "language/load_language_model.h"

#include "language/models/causal_lm_folder.h"
#include "language/tokenizer/load_tokenizer.h"
#include "language/tokenizer/write_tokenizer.h"

namespace drystill::language {

LanguageModel load_language_model(const std::filesystem::path& path, std::optional<torch::ScalarType> dtype) {
  return {load_causal_lm(path, dtype), load_tokenizer(path)};
}

void save_language_model(const std::filesystem::path& folder, const CausalLm& model,
                         const std::filesystem::path& tokenizer_source,
                         const std::map<std::string, std::string>& metadata) {
  // Before anything is written: a tokenizer that cannot be read must not leave half a model.
  const TokenizerFiles tokenizer = tokenizer_files(tokenizer_source);
  save_causal_lm(folder, model, metadata);
  write_tokenizer(tokenizer, folder);
}

}  // namespace drystill::language
