#include "language/tokenizer/encode_text.h"

#include <algorithm>
#include <string>
#include <unordered_map>

#include "language/tokenizer/pre_tokenizer.h"
#include "language/tokenizer/unicode.h"

namespace drystill::language {
namespace {

constexpr std::size_t kLongestCachedWord = 64;
constexpr std::size_t kMostCachedWords = 1 << 16;

// Words repeat: where one stood before, its ids are copied.
class WordEncoder {
 public:
  WordEncoder(const TokenizerTables& tables, std::vector<std::int64_t>& ids) : tables_(tables), ids_(ids) {}

  void encode(std::string_view word) {
    if (const auto seen = seen_.find(word); seen != seen_.end()) {
      const auto [begin, count] = seen->second;
      for (std::size_t i = 0; i < count; ++i) ids_.push_back(std::int64_t{ids_[begin + i]});
      return;
    }
    const std::size_t begin = ids_.size();
    const auto whole = tables_.ignore_merges ? tables_.ids.find(word) : tables_.ids.end();
    if (whole != tables_.ids.end()) {
      ids_.push_back(whole->second);
    } else {
      tables_.encoder.encode(word, ids_);
    }
    if (word.size() <= kLongestCachedWord && seen_.size() < kMostCachedWords) {
      seen_.emplace(word, std::pair(begin, ids_.size() - begin));
    }
  }

 private:
  const TokenizerTables& tables_;
  std::vector<std::int64_t>& ids_;
  std::unordered_map<std::string_view, std::pair<std::size_t, std::size_t>> seen_;  // where in `ids_`, and how many
};

// Cuts `text` at the added tokens that `matcher` finds: their ids are appended, what lies between goes to
// `between(begin, end)`. Skips what `tokenizers` skips: the search goes on behind a match that its flags refuse.
template <class Between>
void split(const AddedTokenMatcher& matcher, std::string_view text, const SpecialRanges& allowed,
           std::vector<std::int64_t>& ids, const Between& between) {
  std::size_t begin = 0, position = 0;
  while (!matcher.empty()) {
    auto match = matcher.find(text, position);
    if (match.token == nullptr) break;
    if (match.token->special && !allowed.covers(match.begin, match.end)) {
      // Half in a user's text and half in a template's marker: the marker itself may begin one byte later.
      position = allowed.touches(match.begin, match.end) ? match.begin + 1 : match.end;
      continue;
    }
    position = match.end;
    match = apply_flags(match, text, begin);
    if (match.token == nullptr) continue;
    if (begin < match.begin) between(begin, match.begin);
    ids.push_back(match.token->id);
    begin = position = match.end;
  }
  if (begin < text.size()) between(begin, text.size());
}

void encode_words(const TokenizerTables& tables, std::string_view text, std::vector<std::int64_t>& ids) {
  std::vector<std::string_view> words;
  pre_tokenize(tables.pre_tokenizer, text, words);
  WordEncoder encoder(tables, ids);
  for (const std::string_view word : words) encoder.encode(word);
}

// A piece of text between the tokens that stand in the raw text: normalised, and searched for the other added tokens.
void encode_section(const TokenizerTables& tables, std::string_view text, const SpecialRanges& allowed,
                    std::vector<std::int64_t>& ids) {
  split(tables.normalized, text, allowed, ids,
        [&](std::size_t begin, std::size_t end) { encode_words(tables, text.substr(begin, end - begin), ids); });
}

}  // namespace

void SpecialRanges::add(std::size_t begin, std::size_t end) {
  if (!ranges_.empty() && ranges_.back().second == begin) {
    ranges_.back().second = end;
  } else {
    ranges_.emplace_back(begin, end);
  }
}

bool SpecialRanges::covers(std::size_t begin, std::size_t end) const {
  const auto after = std::ranges::upper_bound(ranges_, begin, {}, [](const auto& range) { return range.first; });
  return after != ranges_.begin() && std::prev(after)->second >= end;
}

bool SpecialRanges::touches(std::size_t begin, std::size_t end) const {
  const auto after = std::ranges::upper_bound(ranges_, begin, {}, [](const auto& range) { return range.second; });
  return after != ranges_.end() && after->first < end;
}

void encode_text(const TokenizerTables& tables, std::string_view text, const SpecialRanges& allowed,
                 std::vector<std::int64_t>& ids) {
  split(tables.raw, text, allowed, ids, [&](std::size_t begin, std::size_t end) {
    const std::string_view section = text.substr(begin, end - begin);
    SpecialRanges all;
    // Which characters of the normal form came from where is not known: all of the section, or nothing.
    if (allowed.covers(begin, end)) all.add(0, std::string::npos);
    if (tables.nfc && !is_nfc(section)) {
      encode_section(tables, to_nfc(section), all, ids);
    } else {
      encode_section(tables, section, all, ids);
    }
  });
}

}  // namespace drystill::language
