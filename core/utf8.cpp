#include "core/utf8.h"

#include <cstdint>

namespace drystill {
namespace {

// How a lead byte goes on: how many bytes follow, and the range of the first of them, which excludes overlong forms,
// surrogates, and what lies beyond U+10FFFF.
struct Lead {
  int following;
  std::uint8_t first_low, first_high;
};

Lead lead_of(std::uint8_t byte) {
  if (byte >= 0xC2 && byte <= 0xDF) return {1, 0x80, 0xBF};
  if (byte == 0xE0) return {2, 0xA0, 0xBF};
  if (byte == 0xED) return {2, 0x80, 0x9F};
  if (byte >= 0xE1 && byte <= 0xEF) return {2, 0x80, 0xBF};
  if (byte == 0xF0) return {3, 0x90, 0xBF};
  if (byte >= 0xF1 && byte <= 0xF3) return {3, 0x80, 0xBF};
  if (byte == 0xF4) return {3, 0x80, 0x8F};
  return {0, 0, 0};
}

}  // namespace

Utf8Step next_character(std::string_view text) {
  using Kind = Utf8Step::Kind;
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t first = byte(0);
  if (first < 0x80) return {Kind::kCharacter, first, 1};
  const Lead lead = lead_of(first);
  if (lead.following == 0) return {Kind::kInvalid, kReplacementCharacter, 1};
  char32_t code_point = first & (0x3F >> lead.following);
  for (int i = 1; i <= lead.following; ++i) {
    const auto at = static_cast<std::size_t>(i);
    if (at >= text.size()) return {Kind::kIncomplete, kReplacementCharacter, at};
    const std::uint8_t low = i == 1 ? lead.first_low : 0x80;
    const std::uint8_t high = i == 1 ? lead.first_high : 0xBF;
    if (byte(at) < low || byte(at) > high) return {Kind::kInvalid, kReplacementCharacter, at};
    code_point = code_point << 6 | (byte(at) & 0x3F);
  }
  return {Kind::kCharacter, code_point, static_cast<std::size_t>(lead.following) + 1};
}

bool is_valid_utf8(std::string_view text) {
  while (!text.empty()) {
    const Utf8Step step = next_character(text);
    if (step.kind != Utf8Step::Kind::kCharacter) return false;
    text.remove_prefix(step.length);
  }
  return true;
}

std::string valid_utf8(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const Utf8Step step = next_character(text);
    if (step.kind == Utf8Step::Kind::kCharacter) {
      result += text.substr(0, step.length);
    } else {
      append_utf8(kReplacementCharacter, result);
    }
    text.remove_prefix(step.length);
  }
  return result;
}

void append_utf8(char32_t code_point, std::string& text) {
  const auto tail = [&](int shift) { text += static_cast<char>(0x80 | (code_point >> shift & 0x3F)); };
  if (code_point < 0x80) {
    text += static_cast<char>(code_point);
  } else if (code_point < 0x800) {
    text += static_cast<char>(0xC0 | code_point >> 6);
    tail(0);
  } else if (code_point < 0x10000) {
    text += static_cast<char>(0xE0 | code_point >> 12);
    tail(6);
    tail(0);
  } else {
    text += static_cast<char>(0xF0 | code_point >> 18);
    tail(12);
    tail(6);
    tail(0);
  }
}

}  // namespace drystill
