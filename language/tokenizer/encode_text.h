#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "language/tokenizer/tokenizer_tables.h"

namespace drystill::language {

// Where in a text special tokens may stand. Internal to the tokenizer.
class SpecialRanges {
 public:
  // Ranges are added from left to right.
  void add(std::size_t begin, std::size_t end);

  bool covers(std::size_t begin, std::size_t end) const;
  bool touches(std::size_t begin, std::size_t end) const;

 private:
  std::vector<std::pair<std::size_t, std::size_t>> ranges_;
};

// Appends the ids of `text` (valid UTF-8).
void encode_text(const TokenizerTables& tables, std::string_view text, const SpecialRanges& allowed,
                 std::vector<std::int64_t>& ids);

}  // namespace drystill::language
