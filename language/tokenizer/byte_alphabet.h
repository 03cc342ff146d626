#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace drystill::language {

// Byte-level vocabularies write their tokens in an alphabet of 256 printable characters, one a byte: printable Latin-1
// stands for itself, the other bytes take U+0100 and on, so a space reads as U+0120 (GPT-2, encoder.py,
// bytes_to_unicode).

// The bytes that `token` stands for; nullopt where it has a character outside the alphabet or is no UTF-8.
std::optional<std::string> bytes_of_token(std::string_view token);

// The token that stands for `bytes`.
std::string token_of_bytes(std::string_view bytes);

}  // namespace drystill::language
