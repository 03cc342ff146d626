#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace drystill {

inline constexpr char32_t kReplacementCharacter = 0xFFFD;

// One step through UTF-8 text.
struct Utf8Step {
  enum class Kind {
    kCharacter,   // `code_point` stands in `length` bytes
    kInvalid,     // `length` bytes begin no character; a decoder shows them as one U+FFFD
    kIncomplete,  // the text ends within a character that `length` bytes begin
  };
  Kind kind = Kind::kInvalid;
  char32_t code_point = kReplacementCharacter;
  std::size_t length = 0;
};

// What begins at `text[0]`; `text` is not empty. Invalid bytes are grouped as "maximal subparts" (Unicode 15, section
// 3.9, table 3-7), as Python's errors="replace" and Rust's from_utf8_lossy group them.
Utf8Step next_character(std::string_view text);

// `text` with every invalid group of bytes as U+FFFD.
std::string valid_utf8(std::string_view text);
bool is_valid_utf8(std::string_view text);

void append_utf8(char32_t code_point, std::string& text);

}  // namespace drystill
