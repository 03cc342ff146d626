#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace drystill::configs {

struct TextProblem {
  int line;    // from 1
  int column;  // from 1, in bytes
  std::string message;
};

// The first character that no text of a configuration should hold, in words ("a byte that is not UTF-8", "a control
// character"): tabs and line feeds are the only control characters that may stand in one. "" where all are fine.
std::string_view find_bad_character(std::string_view text);

// Looks through raw text before the YAML parser sees it: the parser guesses encodings from NUL bytes, passes broken
// UTF-8 on, and lets tabs change the structure. Returns the first byte that no configuration should hold.
std::optional<TextProblem> find_text_problem(std::string_view text);

// Finds quotes that are never closed. The parser takes a quoted value that runs into the end of the file, behind a line
// feed, for a whole one: a truncated file would pass.
class QuoteCheck {
 public:
  explicit QuoteCheck(std::string_view text);  // `text` outlives this

  // True where a quote opens at this place (both counted from 0) and no closing one follows.
  bool is_open(int line, int column) const;

 private:
  std::string_view text_;
  std::vector<std::size_t> line_starts_;
};

}  // namespace drystill::configs
