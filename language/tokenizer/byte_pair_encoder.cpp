#include "language/tokenizer/byte_pair_encoder.h"

#include <algorithm>
#include <limits>
#include <queue>
#include <tuple>

namespace drystill::language {
namespace {

// Below this length, looking through all pairs for the best one beats the heap.
constexpr std::size_t kLongWord = 24;
constexpr std::int32_t kGone = -1;

std::uint64_t key_of(std::int32_t left, std::int32_t right) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
}

// A possible merge of the symbols at `position` and after it, as they were when it was found.
struct Candidate {
  std::int32_t rank, position, left, right, merged;
  bool operator>(const Candidate& other) const {
    return std::tie(rank, position) > std::tie(other.rank, other.position);
  }
};

}  // namespace

BytePairEncoder::BytePairEncoder(const std::array<std::int32_t, 256>& byte_ids, const std::vector<Merge>& merges)
    : byte_ids_(byte_ids) {
  rules_.reserve(merges.size());
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const Merge& merge = merges[rank];
    rules_[key_of(merge.left, merge.right)] = {static_cast<std::int32_t>(rank), merge.merged};
  }
}

const BytePairEncoder::Rule* BytePairEncoder::find(std::int32_t left, std::int32_t right) const {
  const auto found = rules_.find(key_of(left, right));
  return found == rules_.end() ? nullptr : &found->second;
}

void BytePairEncoder::encode(std::string_view word, std::vector<std::int64_t>& ids) const {
  std::vector<std::int32_t> symbols;
  symbols.reserve(word.size());
  for (const char c : word) {
    const std::int32_t id = byte_ids_[static_cast<std::uint8_t>(c)];
    if (id >= 0) symbols.push_back(id);
  }
  if (symbols.size() < kLongWord) {
    encode_short(symbols);
  } else {
    encode_long(symbols);
  }
  ids.insert(ids.end(), symbols.begin(), symbols.end());
}

void BytePairEncoder::encode_short(std::vector<std::int32_t>& symbols) const {
  constexpr Rule kNone{std::numeric_limits<std::int32_t>::max(), 0};
  const auto rule_at = [&](std::size_t i) {
    const Rule* rule = i + 1 < symbols.size() ? find(symbols[i], symbols[i + 1]) : nullptr;
    return rule == nullptr ? kNone : *rule;
  };
  std::vector<Rule> rules;  // of symbol i with its right neighbour
  for (std::size_t i = 0; i < symbols.size(); ++i) rules.push_back(rule_at(i));
  while (true) {
    const auto best = std::ranges::min_element(rules, {}, &Rule::rank);
    if (best == rules.end() || best->rank == kNone.rank) return;
    const auto i = best - rules.begin();
    symbols[static_cast<std::size_t>(i)] = best->merged;
    symbols.erase(symbols.begin() + i + 1);
    rules.erase(best + 1);
    rules[static_cast<std::size_t>(i)] = rule_at(static_cast<std::size_t>(i));
    if (i > 0) rules[static_cast<std::size_t>(i) - 1] = rule_at(static_cast<std::size_t>(i) - 1);
  }
}

// A heap of candidates over a doubly linked list. A candidate whose symbols have changed since is dropped when it comes
// up, so each merge costs two lookups and O(log n).
void BytePairEncoder::encode_long(std::vector<std::int32_t>& symbols) const {
  const auto count = static_cast<std::int32_t>(symbols.size());
  std::vector<std::int32_t> next(symbols.size()), previous(symbols.size());
  for (std::int32_t i = 0; i < count; ++i) {
    next[static_cast<std::size_t>(i)] = i + 1;
    previous[static_cast<std::size_t>(i)] = i - 1;
  }
  const auto symbol = [&](std::int32_t i) -> std::int32_t& { return symbols[static_cast<std::size_t>(i)]; };
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> candidates;
  const auto consider = [&](std::int32_t position) {
    if (position < 0) return;
    const std::int32_t after = next[static_cast<std::size_t>(position)];
    if (after >= count) return;
    const std::int32_t left = symbol(position), right = symbol(after);
    if (const Rule* rule = find(left, right)) candidates.push({rule->rank, position, left, right, rule->merged});
  };
  for (std::int32_t i = 0; i < count; ++i) consider(i);
  while (!candidates.empty()) {
    const Candidate best = candidates.top();
    candidates.pop();
    const std::int32_t after = next[static_cast<std::size_t>(best.position)];
    if (symbol(best.position) != best.left || after >= count || symbol(after) != best.right) continue;
    symbol(best.position) = best.merged;
    symbol(after) = kGone;
    const std::int32_t beyond = next[static_cast<std::size_t>(after)];
    next[static_cast<std::size_t>(best.position)] = beyond;
    if (beyond < count) previous[static_cast<std::size_t>(beyond)] = best.position;
    consider(previous[static_cast<std::size_t>(best.position)]);
    consider(best.position);
  }
  std::erase(symbols, kGone);
}

}  // namespace drystill::language
