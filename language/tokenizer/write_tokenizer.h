#pragma once

#include <filesystem>

namespace drystill::language {

// Puts the tokenizer of `source` into `folder` as tokenizer.json and tokenizer_config.json: copies those of a Hugging
// Face folder with what stands beside them (chat_template.jinja, ...), and writes the vocabulary of a .gguf file in
// their form. Files of these names that another tokenizer left there are replaced or removed. InputError for another
// source.
void write_tokenizer(const std::filesystem::path& source, const std::filesystem::path& folder);

}  // namespace drystill::language
