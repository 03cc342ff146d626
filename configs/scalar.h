#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "configs/node.h"

namespace drystill::configs {

// A plain YAML 1.2 scalar read as a C++ value, or why not: `hint` says what to write instead, in parentheses, or is "".
// Forms that YAML readers disagree about (010, 1_000, 0x1F, yes, 12:30) are refused, and so are quoted values.
template <class T>
struct Parsed {
  std::optional<T> value;
  std::string hint;
};

Parsed<bool> parse_bool(const Node& scalar);             // true, false
Parsed<std::int64_t> parse_integer(const Node& scalar);  // 1000; 1e5 and 2.0 where integral and below 2^53
Parsed<double> parse_number(const Node& scalar);         // 1, 1e-4, .5; finite

std::string write_number(double value);  // the shortest text that reads back as the same value

// True where a plain `text` could be read as anything but a string by some YAML reader, so it needs quotes.
bool needs_quotes(std::string_view text);

}  // namespace drystill::configs
