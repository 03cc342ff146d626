#pragma once

#include <filesystem>

#include "language/tokenizer/tokenizer.h"

namespace drystill::language {

// The tokenizer of a model: a Hugging Face folder with a tokenizer.json, or that file itself. InputError otherwise.
Tokenizer load_tokenizer(const std::filesystem::path& path);

}  // namespace drystill::language
