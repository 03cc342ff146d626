#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace drystill::language {

// What stands beside a tokenizer.json, in tokenizer_config.json and chat_template.jinja.
struct TokenizerConfig {
  std::optional<std::string> bos_token, eos_token, pad_token;  // by their text
  std::optional<std::string> chat_template;                    // Jinja; of several the one named "default"
  std::optional<bool> add_bos_token, add_eos_token;            // whether texts begin and end with these
  bool flags_rule = false;  // tokenizer_class is Llama's, which goes by the flags whatever tokenizer.json says
};

// Both files may be missing. InputError where one is damaged.
TokenizerConfig read_tokenizer_config(const std::filesystem::path& folder);

}  // namespace drystill::language
