#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "language/tokenizer/added_tokens.h"
#include "language/tokenizer/byte_pair_encoder.h"
#include "language/tokenizer/tokenizer.h"

namespace drystill::language {

// A tokenizer's data, checked and indexed. Internal to the tokenizer.
struct TokenizerTables {
  PreTokenizer pre_tokenizer;
  bool nfc, ignore_merges;
  std::vector<std::optional<std::string>> tokens;  // bytes by id, added tokens included; the last one exists
  // Ordinary tokens by their bytes. The keys point into `tokens`, whose elements stay where they are when the whole
  // struct moves; a copy would leave them behind.
  std::unordered_map<std::string_view, std::int64_t> ids;
  std::unordered_map<std::string, std::int64_t> added_ids;
  std::map<std::int64_t, AddedToken> special;
  AddedTokenMatcher raw, normalized;  // looked for before and after the normaliser
  BytePairEncoder encoder;

  bool has_token(std::int64_t id) const {
    return id >= 0 && id < static_cast<std::int64_t>(tokens.size()) && tokens[static_cast<std::size_t>(id)].has_value();
  }

  TokenizerTables(TokenizerTables&&) = default;
  TokenizerTables(const TokenizerTables&) = delete;
  TokenizerTables(PreTokenizer kind, bool nfc_first, bool whole_words, BytePairEncoder merges)
      : pre_tokenizer(kind), nfc(nfc_first), ignore_merges(whole_words), encoder(std::move(merges)) {}
};

// Takes `parts.tokens`, `parts.merges` and `parts.added`. InputError where they do not fit together.
TokenizerTables make_tables(TokenizerParts& parts);

}  // namespace drystill::language
