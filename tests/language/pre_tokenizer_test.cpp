#include "language/tokenizer/pre_tokenizer.h"

#include <gtest/gtest.h>

#include "language/tokenizer/byte_alphabet.h"
#include "language/tokenizer/unicode.h"

namespace drystill::language {
namespace {

std::string words_of(PreTokenizer kind, std::string_view text) {
  std::vector<std::string_view> words;
  pre_tokenize(kind, text, words);
  std::string joined;
  for (const auto word : words) joined += (joined.empty() ? "" : "|") + std::string(word);
  return joined;
}

TEST(PreTokenizer, Gpt2) {
  const auto words = [](std::string_view text) { return words_of(PreTokenizer::kGpt2, text); };
  EXPECT_EQ(words(""), "");
  EXPECT_EQ(words("Hello world's 2026!"), "Hello| world|'s| 2026|!");
  EXPECT_EQ(words("a  b   "), "a| | b|   ");
  EXPECT_EQ(words("WE'LL we'll"), "WE|'|LL| we|'ll");
  EXPECT_EQ(words("'s't'x"), "'s|'t|'|x");
  EXPECT_EQ(words(" \t x"), " \t| x");
  EXPECT_EQ(words("\n\nx"), "\n|\n|x");
}

TEST(PreTokenizer, SmolLm2CutsDigits) {
  const auto words = [](std::string_view text) { return words_of(PreTokenizer::kSmolLm2, text); };
  EXPECT_EQ(words("a 123b"), "a| |1|2|3|b");
  EXPECT_EQ(words("  7\u00BD"), "  |7|\u00BD");
}

TEST(PreTokenizer, Llama3) {
  const auto words = [](std::string_view text) { return words_of(PreTokenizer::kLlama3, text); };
  EXPECT_EQ(words("WE'LL (x) 12345"), "WE|'LL| (|x|)| |123|45");
  EXPECT_EQ(words("a'\u017Fx"), "a|'\u017F|x");  // the long s folds to s
  EXPECT_EQ(words("  \n \n  x"), "  \n \n| | x");
  EXPECT_EQ(words("!\r\n\r\nx"), "!\r\n\r\n|x");
  EXPECT_EQ(words("\tx\nx"), "\tx|\n|x");
}

TEST(PreTokenizer, Qwen2CutsDigits) {
  EXPECT_EQ(words_of(PreTokenizer::kQwen2, "x 123"), "x| |1|2|3");
}

TEST(Unicode, ClassesOfEdges) {
  EXPECT_EQ(class_of(0), CharacterClass::kOther);
  EXPECT_EQ(class_of('\n'), CharacterClass::kNewline);
  EXPECT_EQ(class_of(0x85), CharacterClass::kSpace);
  EXPECT_EQ(class_of(0x1C), CharacterClass::kOther);
  EXPECT_EQ(class_of(0x200B), CharacterClass::kOther);
  EXPECT_EQ(class_of(0x24F), CharacterClass::kLetter);  // the last one of the table, and the first behind it
  EXPECT_EQ(class_of(0x250), CharacterClass::kLetter);
  EXPECT_EQ(class_of(0x3007), CharacterClass::kNumber);
  EXPECT_EQ(class_of(0x10FFFF), CharacterClass::kOther);
  EXPECT_EQ(to_nfc("e\u0301"), "\u00E9");
  EXPECT_FALSE(is_nfc("e\u0301"));
}

TEST(ByteAlphabet, EveryByteComesBack) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string text(1, static_cast<char>(byte));
    EXPECT_EQ(bytes_of_token(token_of_bytes(text)), text);
  }
  EXPECT_EQ(token_of_bytes(" \n"), "\u0120\u010A");
  EXPECT_EQ(bytes_of_token(" "), std::nullopt);
  EXPECT_EQ(bytes_of_token("\u0144"), std::nullopt);
  EXPECT_EQ(bytes_of_token("\xFF"), std::nullopt);
}

}  // namespace
}  // namespace drystill::language
