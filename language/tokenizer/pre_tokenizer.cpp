#include "language/tokenizer/pre_tokenizer.h"

#include <array>
#include <cstddef>

#include "core/utf8.h"
#include "language/tokenizer/unicode.h"

namespace drystill::language {
namespace {

constexpr char32_t kLongS = 0x17F;  // folds to 's', so (?i:'s) matches it

// Reads valid UTF-8; beyond the end there is a character of length 0.
class Reader {
 public:
  struct Character {
    char32_t code_point = 0;
    CharacterClass kind = CharacterClass::kOther;
    std::size_t length = 0;
  };

  explicit Reader(std::string_view text) : text_(text) {}

  Character at(std::size_t position) const {
    if (position >= text_.size()) return {};
    const auto byte = static_cast<unsigned char>(text_[position]);
    if (byte < 0x80) return {byte, class_of(byte), 1};
    const Utf8Step step = next_character(text_.substr(position));
    return {step.code_point, class_of(step.code_point), step.length};
  }

  // The end of the run of characters for which `wanted` holds.
  template <class Wanted>
  std::size_t skip(std::size_t position, const Wanted& wanted) const {
    for (Character c = at(position); c.length > 0 && wanted(c.kind); c = at(position)) position += c.length;
    return position;
  }

  std::size_t size() const { return text_.size(); }
  std::string_view text() const { return text_; }

 private:
  std::string_view text_;
};

bool is_letter(CharacterClass kind) {
  return kind == CharacterClass::kLetter;
}
bool is_number(CharacterClass kind) {
  return kind == CharacterClass::kNumber;
}
bool is_newline(CharacterClass kind) {
  return kind == CharacterClass::kNewline;
}
bool is_space(CharacterClass kind) {
  return kind == CharacterClass::kSpace || is_newline(kind);
}
bool is_other(CharacterClass kind) {
  return kind == CharacterClass::kOther;
}

// The length of 's|'t|'re|'ve|'m|'ll|'d at `position`, or 0.
std::size_t contraction(const Reader& reader, std::size_t position, bool ignore_case) {
  const auto letter = [&](std::size_t at) -> char32_t {
    const char32_t c = reader.at(at).code_point;
    if (!ignore_case) return c;
    return c == kLongS ? U's' : (c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
  };
  if (reader.at(position).code_point != '\'') return 0;
  const char32_t first = letter(position + 1);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 1 + reader.at(position + 1).length;
  const char32_t second = letter(position + 2);  // the pairs are ASCII even after folding
  const bool pair =
      (first == 'r' && second == 'e') || (first == 'v' && second == 'e') || (first == 'l' && second == 'l');
  return pair ? 3 : 0;
}

// \s+(?!\S)|\s+ at white space: the run without its last character, which goes with what follows, unless nothing does.
std::size_t white_space_end(const Reader& reader, std::size_t position) {
  std::size_t last = position, end = position;
  for (auto c = reader.at(position); c.length > 0 && is_space(c.kind); c = reader.at(end)) {
    last = end;
    end += c.length;
  }
  return end == reader.size() || last == position ? end : last;
}

std::size_t gpt2_end(const Reader& reader, std::size_t position) {
  if (const std::size_t length = contraction(reader, position, false)) return position + length;
  const auto first = reader.at(position);
  std::size_t start = position;
  auto c = first;
  if (first.code_point == ' ') {
    start += first.length;
    c = reader.at(start);
    if (c.length == 0) return start;
  }
  if (is_letter(c.kind)) return reader.skip(start, is_letter);
  if (is_number(c.kind)) return reader.skip(start, is_number);
  if (is_other(c.kind)) return reader.skip(start, is_other);
  return white_space_end(reader, position);
}

// \s*[\r\n]+: up to the last line break of the white space, or 0 where it has none.
std::size_t line_breaks_end(const Reader& reader, std::size_t position) {
  std::size_t end = 0;
  for (auto c = reader.at(position); c.length > 0 && is_space(c.kind); c = reader.at(position)) {
    position += c.length;
    if (is_newline(c.kind)) end = position;
  }
  return end;
}

std::size_t llama3_end(const Reader& reader, std::size_t position, int most_digits) {
  if (const std::size_t length = contraction(reader, position, true)) return position + length;
  const auto first = reader.at(position);
  if (is_letter(first.kind)) return reader.skip(position, is_letter);
  if (is_number(first.kind)) {
    for (int digits = 0; digits < most_digits; ++digits) {
      const auto c = reader.at(position);
      if (c.length == 0 || !is_number(c.kind)) break;
      position += c.length;
    }
    return position;
  }
  const auto second = reader.at(position + first.length);
  if (!is_newline(first.kind) && second.length > 0 && is_letter(second.kind)) {
    return reader.skip(position + first.length, is_letter);
  }
  const std::size_t symbols = first.code_point == ' ' ? position + first.length : position;
  if (const auto c = reader.at(symbols); c.length > 0 && is_other(c.kind)) {
    return reader.skip(reader.skip(symbols, is_other), is_newline);
  }
  if (const std::size_t end = line_breaks_end(reader, position)) return end;
  return white_space_end(reader, position);
}

template <class WordEnd>
void cut(std::string_view text, std::vector<std::string_view>& words, const WordEnd& word_end) {
  const Reader reader(text);
  for (std::size_t position = 0; position < text.size();) {
    const std::size_t end = word_end(reader, position);
    words.push_back(text.substr(position, end - position));
    position = end;
  }
}

void cut_smollm2(std::string_view text, std::vector<std::string_view>& words) {
  const Reader reader(text);
  for (std::size_t position = 0; position < text.size();) {
    const auto c = reader.at(position);
    if (is_number(c.kind)) {
      words.push_back(text.substr(position, c.length));
      position += c.length;
      continue;
    }
    const std::size_t end = reader.skip(position, [](CharacterClass kind) { return !is_number(kind); });
    cut(text.substr(position, end - position), words, gpt2_end);
    position = end;
  }
}

}  // namespace

void pre_tokenize(PreTokenizer kind, std::string_view text, std::vector<std::string_view>& words) {
  switch (kind) {
    case PreTokenizer::kGpt2:
      return cut(text, words, gpt2_end);
    case PreTokenizer::kSmolLm2:
      return cut_smollm2(text, words);
    case PreTokenizer::kLlama3:
      return cut(text, words, [](const Reader& r, std::size_t position) { return llama3_end(r, position, 3); });
    case PreTokenizer::kQwen2:
      return cut(text, words, [](const Reader& r, std::size_t position) { return llama3_end(r, position, 1); });
  }
}

}  // namespace drystill::language
