#include "language/tokenizer/added_tokens.h"

#include <algorithm>

#include "core/utf8.h"
#include "language/tokenizer/unicode.h"

namespace drystill::language {
namespace {

std::size_t previous_character(std::string_view text, std::size_t position) {
  do {
    --position;
  } while (position > 0 && (static_cast<std::uint8_t>(text[position]) & 0xC0) == 0x80);
  return position;
}

std::size_t white_space_begin(std::string_view text, std::size_t position, std::size_t limit) {
  while (position > limit) {
    const std::size_t before = previous_character(text, position);
    if (!is_white_space(next_character(text.substr(before)).code_point)) break;
    position = before;
  }
  return std::max(position, limit);
}

std::size_t white_space_end(std::string_view text, std::size_t position) {
  while (position < text.size()) {
    const Utf8Step step = next_character(text.substr(position));
    if (!is_white_space(step.code_point)) break;
    position += step.length;
  }
  return position;
}

bool stands_alone(std::string_view text, const AddedTokenMatcher::Match& match) {
  if (match.begin > 0) {
    const std::size_t before = previous_character(text, match.begin);
    if (is_word_character(next_character(text.substr(before)).code_point)) return false;
  }
  return match.end == text.size() || !is_word_character(next_character(text.substr(match.end)).code_point);
}

}  // namespace

AddedTokenMatcher::AddedTokenMatcher(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::ranges::sort(tokens_, {}, &AddedToken::content);
  for (const AddedToken& token : tokens_) first_bytes_[static_cast<std::uint8_t>(token.content.front())] = true;
}

const AddedToken* AddedTokenMatcher::longest_at(std::string_view text) const {
  const AddedToken* longest = nullptr;
  auto begin = tokens_.begin(), end = tokens_.end();
  for (std::size_t depth = 0; depth < text.size() && begin != end; ++depth) {
    const auto byte = static_cast<std::uint8_t>(text[depth]);
    const auto byte_of = [&](const AddedToken& token) {  // -1: the token ends here
      return depth < token.content.size() ? static_cast<int>(static_cast<std::uint8_t>(token.content[depth])) : -1;
    };
    begin = std::ranges::lower_bound(begin, end, static_cast<int>(byte), {}, byte_of);
    end = std::ranges::upper_bound(begin, end, static_cast<int>(byte), {}, byte_of);
    if (begin != end && begin->content.size() == depth + 1) longest = &*begin;
  }
  return longest;
}

AddedTokenMatcher::Match AddedTokenMatcher::find(std::string_view text, std::size_t position) const {
  for (; position < text.size(); ++position) {
    if (!first_bytes_[static_cast<std::uint8_t>(text[position])]) continue;
    const AddedToken* token = longest_at(text.substr(position));
    if (token != nullptr) return {position, position + token->content.size(), token};
  }
  return {};
}

AddedTokenMatcher::Match apply_flags(AddedTokenMatcher::Match match, std::string_view text, std::size_t text_begin) {
  if (match.token->single_word && !stands_alone(text, match)) return {};
  if (match.token->left_strip) match.begin = white_space_begin(text, match.begin, text_begin);
  if (match.token->right_strip) match.end = white_space_end(text, match.end);
  return match;
}

}  // namespace drystill::language
