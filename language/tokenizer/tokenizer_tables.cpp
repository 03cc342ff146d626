#include "language/tokenizer/tokenizer_tables.h"

#include <algorithm>
#include <array>

#include "core/error.h"
#include "core/utf8.h"
#include "io/quote.h"
#include "language/tokenizer/unicode.h"

namespace drystill::language {
namespace {

constexpr std::int64_t kMostTokens = std::int64_t{1} << 21;  // 8 times the largest published vocabulary
constexpr std::size_t kLongestAddedToken = 512;              // bytes; bounds the search for added tokens

class TablesMaker {
 public:
  explicit TablesMaker(TokenizerParts& parts) : parts_(parts) {}

  TokenizerTables make() {
    check_added();
    index_tokens();
    check_conflicts();
    TokenizerTables tables(parts_.pre_tokenizer, parts_.nfc, parts_.ignore_merges,
                           BytePairEncoder(byte_ids(), merge_ids()));
    place_added(tables);
    while (!parts_.tokens.empty() && !parts_.tokens.back()) parts_.tokens.pop_back();
    tables.tokens = std::move(parts_.tokens);
    tables.ids = std::move(ids_);
    return tables;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw InputError(io::quote(parts_.source) + ": " + what); }

  void check_added() {
    std::erase_if(parts_.added, [](const AddedToken& token) { return token.content.empty(); });  // as `tokenizers`
    for (const AddedToken& token : parts_.added) {
      const std::string name = "added token " + io::quote(token.content);
      if (token.id < 0 || token.id >= kMostTokens) {
        fail(name + " has the id " + std::to_string(token.id) + "; expected 0 to " + std::to_string(kMostTokens - 1));
      }
      if (token.content.size() > kLongestAddedToken || !is_valid_utf8(token.content)) {
        fail(name + " is longer than " + std::to_string(kLongestAddedToken) + " bytes, or no UTF-8");
      }
      const auto [place, is_new] = added_by_id_.emplace(token.id, &token);
      if (!is_new && place->second->content != token.content) {
        fail("id " + std::to_string(token.id) + " belongs to " + io::quote(place->second->content) + " and to " +
             io::quote(token.content) + "; an id has one token");
      }
    }
  }

  void index_tokens() {
    if (parts_.tokens.empty()) fail("the vocabulary is empty");
    // Before anything points into the tokens: they move when the vector grows.
    if (!added_by_id_.empty()) {
      const auto needed = static_cast<std::size_t>(added_by_id_.rbegin()->first) + 1;
      parts_.tokens.resize(std::max(parts_.tokens.size(), needed));
    }
    if (parts_.tokens.size() > static_cast<std::size_t>(kMostTokens)) {
      fail("a vocabulary of " + std::to_string(parts_.tokens.size()) + " tokens; at most " +
           std::to_string(kMostTokens) + " are read");
    }
    ids_.reserve(parts_.tokens.size());
    for (std::size_t id = 0; id < parts_.tokens.size(); ++id) {
      if (!parts_.tokens[id]) continue;
      const auto [place, is_new] = ids_.emplace(*parts_.tokens[id], static_cast<std::int64_t>(id));
      if (!is_new) {
        fail("token " + io::quote(*parts_.tokens[id]) + " has the ids " + std::to_string(place->second) + " and " +
             std::to_string(id) + "; a token has one id");
      }
    }
  }

  // An id of the model's vocabulary may be listed again as an added token: by the same text.
  void check_conflicts() const {
    for (const auto& [id, added] : added_by_id_) {
      const auto& token = parts_.tokens[static_cast<std::size_t>(id)];
      if (token && *token != added->content) {
        fail("id " + std::to_string(id) + " belongs to " + io::quote(*token) + " and to the added token " +
             io::quote(added->content) + "; an id has one token");
      }
      const auto same = ids_.find(added->content);
      if (same != ids_.end() && same->second != id) {
        fail("token " + io::quote(added->content) + " has the ids " + std::to_string(same->second) + " and " +
             std::to_string(id) + "; a token has one id");
      }
    }
  }

  // User text must not reach a special token by way of the merges.
  std::int32_t ordinary(std::int64_t id, const std::string& what) const {
    const auto added = added_by_id_.find(id);
    if (added != added_by_id_.end() && added->second->special) {
      fail(what + " makes the special token " + io::quote(added->second->content) +
           ", so that any text could hold it; clear its flag 'special'");
    }
    return static_cast<std::int32_t>(id);
  }

  std::array<std::int32_t, 256> byte_ids() const {
    std::array<std::int32_t, 256> ids{};
    for (int byte = 0; byte < 256; ++byte) {
      const char text = static_cast<char>(byte);
      const auto found = ids_.find(std::string_view(&text, 1));
      ids[static_cast<std::size_t>(byte)] =
          found == ids_.end() ? -1 : ordinary(found->second, "byte " + std::to_string(byte));
    }
    return ids;
  }

  std::vector<BytePairEncoder::Merge> merge_ids() {
    std::vector<BytePairEncoder::Merge> merges;
    merges.reserve(parts_.merges.size());
    std::string merged;
    for (const auto& merge : parts_.merges) {
      const auto& [left, right] = merge;
      const auto id_of = [&](const std::string& token) {
        const auto found = ids_.find(token);
        if (found == ids_.end()) {
          fail("merge " + std::to_string(merges.size()) + " of " + io::quote(merge.first) + " and " +
               io::quote(merge.second) + " needs the token " + io::quote(token) + ", which the vocabulary lacks");
        }
        return found->second;
      };
      merged.assign(left).append(right);
      merges.push_back({static_cast<std::int32_t>(id_of(left)), static_cast<std::int32_t>(id_of(right)),
                        ordinary(id_of(merged), "merge " + std::to_string(merges.size()))});
    }
    parts_.merges.clear();
    return merges;
  }

  void place_added(TokenizerTables& tables) {
    std::vector<AddedToken> raw, normalized;
    for (const auto& [id, added] : added_by_id_) {
      place(*added);
      if (!tables.added_ids.emplace(added->content, id).second) {
        fail("added token " + io::quote(added->content) + " has two ids; a token has one id");
      }
      if (added->special) tables.special.emplace(id, *added);
      raw_or_normalized(*added, raw, normalized);
    }
    tables.raw = AddedTokenMatcher(std::move(raw));
    tables.normalized = AddedTokenMatcher(std::move(normalized));
  }

  void place(const AddedToken& added) {
    const auto index = static_cast<std::size_t>(added.id);
    auto& token = parts_.tokens[index];
    const auto same = ids_.find(added.content);
    // A special token is no word: neither `ignore_merges` nor id_of may find it among the ordinary ones.
    if (same != ids_.end() && added.special) ids_.erase(same);
    if (!token) token = added.content;
  }

  void raw_or_normalized(const AddedToken& added, std::vector<AddedToken>& raw, std::vector<AddedToken>& normalized) {
    if (!added.normalized) return raw.push_back(added);
    AddedToken token = added;
    if (parts_.nfc) token.content = to_nfc(token.content);
    normalized.push_back(std::move(token));
  }

  TokenizerParts& parts_;
  std::map<std::int64_t, const AddedToken*> added_by_id_;
  std::unordered_map<std::string_view, std::int64_t> ids_;
};

}  // namespace

TokenizerTables make_tables(TokenizerParts& parts) {
  return TablesMaker(parts).make();
}

}  // namespace drystill::language
