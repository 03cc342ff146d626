#pragma once

#include <filesystem>

#include "language/tokenizer/tokenizer.h"

namespace drystill::language {

// The tokenizer of a model: a Hugging Face folder with a tokenizer.json, that file itself, or a GGUF
// file. InputError otherwise.
Tokenizer load_tokenizer(const std::filesystem::path& path);

}  // namespace drystill::language
