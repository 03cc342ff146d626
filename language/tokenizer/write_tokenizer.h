#pragma once

#include <filesystem>
#include <map>
#include <string>

namespace drystill::language {

// A tokenizer as tokenizer.json, tokenizer_config.json and what may stand beside them (chat_template.jinja, ...): their
// contents by name.
using TokenizerFiles = std::map<std::string, std::string>;

// Those of a Hugging Face folder as they are, or the vocabulary of a .gguf file in their form. InputError for another
// source, or where a .gguf file's vocabulary cannot be read.
TokenizerFiles tokenizer_files(const std::filesystem::path& source);

// Files of these names that another tokenizer left in `folder` are replaced or removed.
void write_tokenizer(const TokenizerFiles& files, const std::filesystem::path& folder);

// Both; nothing where `source` is `folder`.
void write_tokenizer(const std::filesystem::path& source, const std::filesystem::path& folder);

}  // namespace drystill::language
