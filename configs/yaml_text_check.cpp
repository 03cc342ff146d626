#include "configs/yaml_text_check.h"

#include <algorithm>
#include <cstddef>

#include "core/utf8.h"

namespace drystill::configs {
namespace {

constexpr std::string_view kNotUtf8 = "a byte that is not UTF-8";
constexpr std::string_view kControl = "a control character";

// What is wrong with a character, or "".
std::string_view fault_of(const Utf8Step& step) {
  if (step.kind != Utf8Step::Kind::kCharacter) return kNotUtf8;
  const char32_t c = step.code_point;
  const bool is_control = (c < 0x20 && c != U'\t' && c != U'\n') || c == 0x7F;
  return is_control ? kControl : std::string_view();
}

}  // namespace

std::string_view find_bad_character(std::string_view text) {
  while (!text.empty()) {
    const Utf8Step step = next_character(text);
    if (const auto fault = fault_of(step); !fault.empty()) return fault;
    text.remove_prefix(step.length);
  }
  return {};
}

std::optional<TextProblem> find_text_problem(std::string_view text) {
  int line = 1;
  std::size_t line_start = 0;
  bool in_indentation = true;
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    const auto problem = [&](std::string message) {
      return TextProblem{line, static_cast<int>(at - line_start) + 1, std::move(message)};
    };
    const Utf8Step step = next_character(text.substr(at));
    const std::string_view fault = fault_of(step);
    if (fault == kNotUtf8) return problem(std::string(fault) + ": save the file as UTF-8");
    if (c == '\t' && in_indentation) return problem("a tab in the indentation: use spaces");
    // A carriage return ends the lines of some files.
    if (fault == kControl && c != '\r') return problem(std::string(fault) + ": this is not a text file");
    if (c == '\n') {
      ++line;
      line_start = at + 1;
    }
    in_indentation = c == '\n' || (in_indentation && c == ' ');
    at += step.length;
  }
  return std::nullopt;
}

QuoteCheck::QuoteCheck(std::string_view text) : text_(text), line_starts_{0} {
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\n') line_starts_.push_back(at + 1);
  }
}

bool QuoteCheck::is_open(int line, int column) const {
  if (line < 0 || column < 0 || static_cast<std::size_t>(line) >= line_starts_.size()) return false;
  std::string_view rest = text_.substr(std::min(line_starts_[line] + column, text_.size()));
  if (rest.starts_with('&')) {  // an anchor stands in front of its value
    rest.remove_prefix(std::min(rest.find_first_of(" \r\n"), rest.size()));
    rest.remove_prefix(std::min(rest.find_first_not_of(" \r\n"), rest.size()));
  }
  if (rest.empty() || (rest[0] != '"' && rest[0] != '\'')) return false;  // a block
  const char quote = rest[0];
  for (std::size_t at = 1; at < rest.size(); ++at) {
    if (quote == '"' && rest[at] == '\\') {
      ++at;
    } else if (rest[at] == quote) {
      const bool is_doubled = quote == '\'' && at + 1 < rest.size() && rest[at + 1] == quote;
      if (!is_doubled) return false;
      ++at;
    }
  }
  return true;
}

}  // namespace drystill::configs
