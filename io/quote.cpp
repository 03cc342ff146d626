#include "io/quote.h"

#include <cstdio>

namespace drystill::io {

std::string quote(std::string_view text) {
  constexpr std::size_t kLongest = 120;
  std::string result = "'";
  for (const unsigned char c : text.substr(0, kLongest)) {
    if (c < 0x20 || c == 0x7f) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\x%02x", c);
      result += escape;
    } else {
      result += static_cast<char>(c);
    }
  }
  return result + (text.size() > kLongest ? "...'" : "'");
}

std::string first_names(const std::vector<std::string>& names, std::size_t limit) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < limit; ++i) text += (i ? ", " : "") + quote(names[i]);
  if (names.size() > limit) text += " and " + std::to_string(names.size() - limit) + " more";
  return text;
}

}  // namespace drystill::io
