#include "language/tokenizer/load_tokenizer.h"

#include "core/error.h"
#include "io/quote.h"
#include "language/tokenizer/gguf_tokenizer.h"
#include "language/tokenizer/tokenizer_json.h"

namespace drystill::language {

Tokenizer load_tokenizer(const std::filesystem::path& path) {
  if (std::filesystem::is_directory(path)) {
    const auto file = path / "tokenizer.json";
    if (std::filesystem::exists(file)) return read_tokenizer_json(file);
    throw InputError(io::quote(path.string()) + " has no tokenizer.json; SentencePiece models are not supported");
  }
  if (path.extension() == ".gguf") return read_gguf_tokenizer(path);
  if (path.extension() == ".json" || !std::filesystem::exists(path)) return read_tokenizer_json(path);
  throw InputError(io::quote(path.string()) + " holds no tokenizer that can be read; expected a folder with a " +
                   "tokenizer.json, that file, or a .gguf file");
}

}  // namespace drystill::language
