#include "configs/yaml_text_check.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace drystill::configs {
namespace {

// Length of the well-formed UTF-8 sequence at `at`, or 0 (Unicode 15, table 3-7: no overlongs, no surrogates).
std::size_t utf8_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) {
    return at + i < text.size() ? static_cast<std::uint8_t>(text[at + i]) : std::uint8_t{0};
  };
  const auto is_continuation = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
  const std::uint8_t first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return is_continuation(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    if (!is_continuation(1) || !is_continuation(2)) return 0;
    if (first == 0xE0 && byte(1) < 0xA0) return 0;
    if (first == 0xED && byte(1) > 0x9F) return 0;
    return 3;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if (!is_continuation(1) || !is_continuation(2) || !is_continuation(3)) return 0;
    if (first == 0xF0 && byte(1) < 0x90) return 0;
    if (first == 0xF4 && byte(1) > 0x8F) return 0;
    return 4;
  }
  return 0;
}

constexpr std::string_view kNotUtf8 = "a byte that is not UTF-8";
constexpr std::string_view kControl = "a control character";

// What is wrong with the character at `at`, or "".
std::string_view fault_at(std::string_view text, std::size_t at) {
  const auto byte = static_cast<std::uint8_t>(text[at]);
  if (utf8_length(text, at) == 0) return kNotUtf8;
  const bool is_control = (byte < 0x20 && byte != '\t' && byte != '\n') || byte == 0x7F;
  return is_control ? kControl : std::string_view();
}

}  // namespace

std::string_view find_bad_character(std::string_view text) {
  for (std::size_t at = 0; at < text.size(); at += utf8_length(text, at)) {
    if (const auto fault = fault_at(text, at); !fault.empty()) return fault;
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
    const std::string_view fault = fault_at(text, at);
    if (fault == kNotUtf8) return problem(std::string(fault) + ": save the file as UTF-8");
    if (c == '\t' && in_indentation) return problem("a tab in the indentation: use spaces");
    // A carriage return ends the lines of some files.
    if (fault == kControl && c != '\r') return problem(std::string(fault) + ": this is not a text file");
    if (c == '\n') {
      ++line;
      line_start = at + 1;
    }
    in_indentation = c == '\n' || (in_indentation && c == ' ');
    at += utf8_length(text, at);
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
