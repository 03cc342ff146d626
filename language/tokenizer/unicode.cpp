#include "language/tokenizer/unicode.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/stringpiece.h>
#include <unicode/uchar.h>

#include <array>

#include "core/error.h"

namespace drystill::language {
namespace {

CharacterClass look_up(char32_t code_point) {
  if (code_point == '\r' || code_point == '\n') return CharacterClass::kNewline;
  const auto character = static_cast<UChar32>(code_point);
  const std::uint32_t mask = U_GET_GC_MASK(character);
  if ((mask & U_GC_L_MASK) != 0) return CharacterClass::kLetter;
  if ((mask & U_GC_N_MASK) != 0) return CharacterClass::kNumber;
  return u_isUWhiteSpace(character) ? CharacterClass::kSpace : CharacterClass::kOther;
}

// Most text is ASCII, and the rest of Latin costs one more page of the table.
constexpr std::size_t kTableSize = 0x250;

std::array<CharacterClass, kTableSize> make_table() {
  std::array<CharacterClass, kTableSize> table{};
  for (std::size_t i = 0; i < kTableSize; ++i) table[i] = look_up(static_cast<char32_t>(i));
  return table;
}

const icu::Normalizer2& nfc() {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* normalizer = icu::Normalizer2::getNFCInstance(status);
  if (U_FAILURE(status)) throw RunError(std::string("ICU has no NFC data: ") + u_errorName(status));
  return *normalizer;
}

void check(UErrorCode status) {
  if (U_FAILURE(status)) throw RunError(std::string("ICU could not normalise a text to NFC: ") + u_errorName(status));
}

icu::StringPiece piece_of(std::string_view text) {
  return icu::StringPiece(text.data(), static_cast<std::int32_t>(text.size()));
}

}  // namespace

CharacterClass class_of(char32_t code_point) {
  static const std::array<CharacterClass, kTableSize> table = make_table();
  return code_point < kTableSize ? table[code_point] : look_up(code_point);
}

bool is_white_space(char32_t code_point) {
  const CharacterClass kind = class_of(code_point);
  return kind == CharacterClass::kSpace || kind == CharacterClass::kNewline;
}

bool is_word_character(char32_t code_point) {
  const auto character = static_cast<UChar32>(code_point);
  return (U_GET_GC_MASK(character) & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0 || u_isUAlphabetic(character) ||
         u_hasBinaryProperty(character, UCHAR_JOIN_CONTROL);
}

bool is_nfc(std::string_view text) {
  UErrorCode status = U_ZERO_ERROR;
  const bool normal = nfc().isNormalizedUTF8(piece_of(text), status);
  check(status);
  return normal;
}

std::string to_nfc(std::string_view text) {
  UErrorCode status = U_ZERO_ERROR;
  std::string result;
  icu::StringByteSink<std::string> sink(&result);
  nfc().normalizeUTF8(0, piece_of(text), sink, nullptr, status);
  check(status);
  return result;
}

}  // namespace drystill::language
