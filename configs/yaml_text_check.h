#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace drystill::configs {

struct TextProblem {
  int line;    // from 1
  int column;  // from 1, in bytes
  std::string message;
};

// Looks through raw text before the YAML parser sees it: the parser guesses encodings from NUL bytes, passes broken
// UTF-8 on, and lets tabs change the structure. Returns the first byte that no configuration should hold.
std::optional<TextProblem> find_text_problem(std::string_view text);

}  // namespace drystill::configs
