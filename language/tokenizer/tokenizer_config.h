#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace drystill::language {

// What stands beside a tokenizer.json, in tokenizer_config.json and chat_template.jinja.
struct TokenizerConfig {
  std::optional<std::string> bos_token, eos_token, pad_token;  // by their text
  std::optional<std::string> chat_template;                    // Jinja; of several the one named "default"
};

// Both files may be missing. InputError where one is damaged.
TokenizerConfig read_tokenizer_config(const std::filesystem::path& folder);

}  // namespace drystill::language
