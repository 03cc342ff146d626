#include "io/quote.h"

#include <cstdio>

namespace drystill::io {
namespace {

// How many of the bytes that `text` begins with are one control character; 0: it begins with another character.
std::size_t control_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  if (byte(0) < 0x20 || byte(0) == 0x7f) return 1;
  // U+0080 to U+009F: U+009B begins an escape sequence as ESC [ does.
  return byte(0) == 0xc2 && byte(1) >= 0x80 && byte(1) < 0xa0 ? 2 : 0;
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const std::size_t controls = control_length(text);
    for (const unsigned char c : text.substr(0, controls)) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\x%02x", c);
      result += escape;
    }
    if (controls == 0) result += text.front();
    text.remove_prefix(controls == 0 ? 1 : controls);
  }
  return result;
}

std::string quote(std::string_view text) {
  constexpr std::size_t kLongest = 120;
  return "'" + escaped(text.substr(0, kLongest)) + (text.size() > kLongest ? "...'" : "'");
}

std::string first_names(const std::vector<std::string>& names, std::size_t limit) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < limit; ++i) text += (i ? ", " : "") + quote(names[i]);
  if (names.size() > limit) text += " and " + std::to_string(names.size() - limit) + " more";
  return text;
}

}  // namespace drystill::io
