#include "language/tokenizer/gguf_tokenizer.h"

#include <limits>

#include "core/error.h"
#include "io/gguf.h"
#include "language/tokenizer/gguf_vocabulary.h"

namespace drystill::language {

Tokenizer read_gguf_tokenizer(const std::filesystem::path& path) {
  const io::GgufFile file(path);
  const auto list = [&](const char* key) {
    const std::vector<std::string>* texts = file.texts(key);
    return texts ? *texts : std::vector<std::string>();
  };
  GgufVocabulary vocabulary{.model = file.text("tokenizer.ggml.model").value_or(""),
                            .pre = file.text("tokenizer.ggml.pre").value_or(""),
                            .tokens = list("tokenizer.ggml.tokens"),
                            .merges = list("tokenizer.ggml.merges"),
                            .token_types = {},
                            .bos = file.integer("tokenizer.ggml.bos_token_id"),
                            .eos = file.integer("tokenizer.ggml.eos_token_id"),
                            .pad = file.integer("tokenizer.ggml.padding_token_id"),
                            .chat_template = file.text("tokenizer.chat_template"),
                            .add_bos = file.flag("tokenizer.ggml.add_bos_token").value_or(false)};
  for (const std::int64_t type : file.integers("tokenizer.ggml.token_type").value_or(std::vector<std::int64_t>())) {
    if (type < 0 || type > std::numeric_limits<std::int32_t>::max()) {
      throw InputError(file.source() + ": tokenizer.ggml.token_type holds " + std::to_string(type));
    }
    vocabulary.token_types.push_back(static_cast<std::int32_t>(type));
  }
  return tokenizer_from_gguf(vocabulary, file.source());
}

}  // namespace drystill::language
