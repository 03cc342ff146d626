#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace drystill::language {

// What the pre-tokenizers' regular expressions ask of a character.
enum class CharacterClass : std::uint8_t {
  kLetter,   // \p{L}
  kNumber,   // \p{N}
  kNewline,  // \r or \n, which are white space as well
  kSpace,    // the rest of \s, that is of White_Space
  kOther,
};

// By ICU's Unicode data (15.0 in ICU 72). A character assigned in a later version counts as kOther.
CharacterClass class_of(char32_t code_point);

bool is_white_space(char32_t code_point);
bool is_word_character(char32_t code_point);  // \w: letters, marks, decimal digits, connectors, joiners

// The normal form NFC of valid UTF-8 (Unicode Standard Annex 15).
std::string to_nfc(std::string_view text);
bool is_nfc(std::string_view text);

}  // namespace drystill::language
