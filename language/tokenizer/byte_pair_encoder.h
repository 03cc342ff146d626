#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace drystill::language {

// The merges of a byte-level BPE vocabulary (Sennrich et al., arXiv 1508.07909): the neighbours whose merge has the
// lowest rank are joined first, the leftmost of equals, until no merge applies.
class BytePairEncoder {
 public:
  struct Merge {
    std::int32_t left, right, merged;  // token ids
  };

  // `byte_ids[b]` is the token of byte b, or -1 where the vocabulary has none: such bytes vanish, as in `tokenizers`.
  // `merges` stand in the order of their ranks; of two equal pairs the later counts.
  BytePairEncoder(const std::array<std::int32_t, 256>& byte_ids, const std::vector<Merge>& merges);

  // Appends the ids of one word's bytes. O(n log n) for n bytes.
  void encode(std::string_view word, std::vector<std::int64_t>& ids) const;

 private:
  struct Rule {
    std::int32_t rank, merged;
  };
  const Rule* find(std::int32_t left, std::int32_t right) const;
  void encode_short(std::vector<std::int32_t>& symbols) const;
  void encode_long(std::vector<std::int32_t>& symbols) const;

  std::array<std::int32_t, 256> byte_ids_;
  std::unordered_map<std::uint64_t, Rule> rules_;
};

}  // namespace drystill::language
