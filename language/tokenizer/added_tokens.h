#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace drystill::language {

// A token that is looked for in the text as it stands, before the text is cut into words. The flags are those of
// tokenizer.json.
struct AddedToken {
  std::string content;
  std::int64_t id = 0;
  bool special = false;      // a marker that user text must not produce
  bool left_strip = false;   // takes the white space before it along
  bool right_strip = false;  // takes the white space after it along
  bool single_word = false;  // only where no word character stands next to it
  bool normalized = false;   // looked for after the normaliser
};

// Finds added tokens: the leftmost match, of several there the longest, without overlaps.
class AddedTokenMatcher {
 public:
  struct Match {
    std::size_t begin = 0, end = 0;
    const AddedToken* token = nullptr;
  };

  AddedTokenMatcher() = default;
  explicit AddedTokenMatcher(std::vector<AddedToken> tokens);

  // The first match at or after `position`; a null token where there is none. Flags are the caller's business.
  Match find(std::string_view text, std::size_t position) const;

  bool empty() const { return tokens_.empty(); }

 private:
  const AddedToken* longest_at(std::string_view text) const;

  std::vector<AddedToken> tokens_;  // sorted by content
  std::vector<bool> first_bytes_ = std::vector<bool>(256);
};

// The bounds of `match` once its flags are applied to `text`; nullptr as token where single_word refuses it. The white
// space that left_strip takes begins no earlier than `text_begin`.
AddedTokenMatcher::Match apply_flags(AddedTokenMatcher::Match match, std::string_view text, std::size_t text_begin);

}  // namespace drystill::language
