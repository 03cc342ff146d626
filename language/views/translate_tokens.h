#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "language/tokenizer/tokenizer.h"

// One text in the tokens of two tokenizers.

namespace drystill::language {

// Another tokenizer's tokens for the same text. The beginning-of-text token becomes its own (or nothing where it has
// none), a special token at the end its end-of-text token; other special tokens are left out. Nothing where the tokens
// are not whole UTF-8 characters, `to` normalises the text to other bytes, or no token is left.
std::optional<std::vector<std::int64_t>> translate_tokens(const Tokenizer& from, const Tokenizer& to,
                                                          std::span<const std::int64_t> tokens);

// How many tokens from the begin are text of whole characters: a special token ends it, and counts only as the very
// last. What a model writes may be cut within a character, or be no text at all.
std::size_t plain_prefix(const Tokenizer& tokenizer, std::span<const std::int64_t> tokens);

// Indices of tokens that stand behind the same bytes, in ascending order. Special tokens have no bytes.
struct TokenPairs {
  std::vector<std::int32_t> first, second;
};
TokenPairs tokens_behind_same_text(const Tokenizer& first_tokenizer, std::span<const std::int64_t> first,
                                   const Tokenizer& second_tokenizer, std::span<const std::int64_t> second);

}  // namespace drystill::language
