#include "language/tokenizer/byte_alphabet.h"

#include <array>
#include <cstdint>

#include "core/utf8.h"

namespace drystill::language {
namespace {

constexpr int kBytes = 256;
constexpr char32_t kFirstStandIn = 0x100;
constexpr int kStandIns = 68;  // bytes that are not printable Latin-1

constexpr bool is_printable(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
}

struct Alphabet {
  std::array<char32_t, kBytes> character{};
  std::array<int, kFirstStandIn + kStandIns> byte{};  // -1: no letter of the alphabet
};

constexpr Alphabet make_alphabet() {
  Alphabet alphabet;
  for (int& byte : alphabet.byte) byte = -1;
  char32_t stand_in = kFirstStandIn;
  for (int byte = 0; byte < kBytes; ++byte) {
    const char32_t character = is_printable(byte) ? static_cast<char32_t>(byte) : stand_in++;
    alphabet.character[static_cast<std::size_t>(byte)] = character;
    alphabet.byte[character] = byte;
  }
  return alphabet;
}

constexpr Alphabet kAlphabet = make_alphabet();

}  // namespace

std::optional<std::string> bytes_of_token(std::string_view token) {
  std::string bytes;
  bytes.reserve(token.size());
  while (!token.empty()) {
    const Utf8Step step = next_character(token);
    if (step.kind != Utf8Step::Kind::kCharacter || step.code_point >= kAlphabet.byte.size()) return std::nullopt;
    const int byte = kAlphabet.byte[step.code_point];
    if (byte < 0) return std::nullopt;
    bytes += static_cast<char>(byte);
    token.remove_prefix(step.length);
  }
  return bytes;
}

std::string token_of_bytes(std::string_view bytes) {
  std::string token;
  for (const char byte : bytes) append_utf8(kAlphabet.character[static_cast<std::uint8_t>(byte)], token);
  return token;
}

}  // namespace drystill::language
