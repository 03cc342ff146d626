#include "language/views/translate_tokens.h"

#include <string>

#include "core/utf8.h"

namespace drystill::language {
namespace {

std::string_view text_bytes(const Tokenizer& tokenizer, std::int64_t id) {
  return tokenizer.is_special(id) ? std::string_view() : tokenizer.token_bytes(id);
}

std::string text_of(const Tokenizer& tokenizer, std::span<const std::int64_t> tokens) {
  std::string text;
  for (const std::int64_t id : tokens) text += text_bytes(tokenizer, id);
  return text;
}

}  // namespace

std::optional<std::vector<std::int64_t>> translate_tokens(const Tokenizer& from, const Tokenizer& to,
                                                          std::span<const std::int64_t> tokens) {
  if (tokens.empty()) return std::nullopt;
  std::vector<std::int64_t> result;
  if (from.bos() == tokens.front() && to.bos()) result.push_back(*to.bos());
  const std::string text = text_of(from, tokens);
  if (!is_valid_utf8(text)) return std::nullopt;
  const auto words = to.encode(text);
  if (text_of(to, words) != text) return std::nullopt;
  result.insert(result.end(), words.begin(), words.end());
  if (tokens.size() > 1 && from.is_special(tokens.back()) && to.eos()) result.push_back(*to.eos());
  if (result.empty()) return std::nullopt;
  return result;
}

std::size_t plain_prefix(const Tokenizer& tokenizer, std::span<const std::int64_t> tokens) {
  std::size_t kept = 0;
  std::string open;  // bytes that have yet to become a character
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokenizer.is_special(tokens[i])) return kept == i && i + 1 == tokens.size() ? i + 1 : kept;
    open += tokenizer.token_bytes(tokens[i]);
    std::string_view rest = open;
    Utf8Step step{.kind = Utf8Step::Kind::kCharacter};
    while (!rest.empty() && (step = next_character(rest)).kind == Utf8Step::Kind::kCharacter) {
      rest.remove_prefix(step.length);
    }
    if (step.kind == Utf8Step::Kind::kInvalid) return kept;
    open = std::string(rest);
    if (open.empty()) kept = i + 1;
  }
  return kept;
}

TokenPairs tokens_behind_same_text(const Tokenizer& first_tokenizer, std::span<const std::int64_t> first,
                                   const Tokenizer& second_tokenizer, std::span<const std::int64_t> second) {
  TokenPairs pairs;
  std::size_t i = 0, j = 0, read_first = 0, read_second = 0;  // tokens, and bytes before them
  while (i < first.size() && j < second.size()) {
    const bool same = read_first == read_second;
    if (same) {
      pairs.first.push_back(static_cast<std::int32_t>(i));
      pairs.second.push_back(static_cast<std::int32_t>(j));
    }
    const bool first_goes_on = same || read_first < read_second, second_goes_on = same || read_second < read_first;
    if (first_goes_on) read_first += text_bytes(first_tokenizer, first[i++]).size();
    if (second_goes_on) read_second += text_bytes(second_tokenizer, second[j++]).size();
  }
  return pairs;
}

}  // namespace drystill::language
