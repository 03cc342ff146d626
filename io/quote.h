#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace drystill::io {

// `text` with its control characters written as \x1b: one line, and nothing in it that a terminal would obey.
std::string escaped(std::string_view text);

// `text` in single quotes for a one-line message: control characters escaped, shortened beyond 120 bytes. Names come
// from files that anybody may have written.
std::string quote(std::string_view text);

// "'a', 'b', 'c' and 7 more": the first `limit` of `names`.
std::string first_names(const std::vector<std::string>& names, std::size_t limit = 3);

// "[64, 3, 3, 3]"
template <class Range>
std::string shape_text(const Range& shape) {
  std::string text = "[";
  for (const auto size : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + "]";
}

}  // namespace drystill::io
