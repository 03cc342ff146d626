#pragma once

#include <filesystem>

namespace drystill::language {

// Puts the tokenizer of `source` into `folder` as tokenizer.json and tokenizer_config.json: copies those of a Hugging
// Face folder, and writes the vocabulary of a .gguf file in their form. InputError for another source.
void write_tokenizer(const std::filesystem::path& source, const std::filesystem::path& folder);

}  // namespace drystill::language
