#include "language/views/translate_tokens.h"

#include <gtest/gtest.h>

#include "language/tokenizer/load_tokenizer.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_language_model.h"

namespace drystill::language {
namespace {

using Ids = std::vector<std::int64_t>;

// Bytes as they are, and bytes backwards with some words of two letters.
const Tokenizer& bytes() {
  static const Tokenizer tokenizer = [] {
    const drystill::testing::TemporaryFolder folder;
    drystill::testing::write_tiny_tokenizer(folder.path());
    return load_tokenizer(folder.path());
  }();
  return tokenizer;
}

const Tokenizer& pairs() {
  static const Tokenizer tokenizer = [] {
    const drystill::testing::TemporaryFolder folder;
    drystill::testing::write_tiny_tokenizer(folder.path(), /*pairs=*/true);
    return load_tokenizer(folder.path());
  }();
  return tokenizer;
}

constexpr std::int64_t kBegin = 256, kEnd = 258;

TEST(TranslateTokens, KeepsTheTextAndItsEnds) {
  const Ids text = {kBegin, 'a', 'b', 'c', kEnd};
  const auto found = translate_tokens(bytes(), pairs(), text);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->size(), 4U);  // begin, "ab", "c", end
  EXPECT_EQ(pairs().decode(*found, true), "abc");
  EXPECT_EQ(found->front(), pairs().bos());
  EXPECT_EQ(found->back(), pairs().eos());
  EXPECT_EQ(translate_tokens(pairs(), bytes(), *found), text);
  EXPECT_EQ(translate_tokens(bytes(), pairs(), Ids{kBegin}), (Ids{*pairs().bos()}));
  EXPECT_EQ(translate_tokens(bytes(), pairs(), Ids{}), std::nullopt);
  EXPECT_EQ(translate_tokens(bytes(), pairs(), Ids{0xE6}), std::nullopt);  // a third of a character
}

TEST(TranslateTokens, PlainPrefix) {
  const Ids text = {'a', 0xE6, 0x97, 0xA5, 'b', 0xE6, 0x97};
  EXPECT_EQ(plain_prefix(bytes(), text), 5U);
  EXPECT_EQ(plain_prefix(bytes(), std::span(text).first(4)), 4U);
  EXPECT_EQ(plain_prefix(bytes(), std::span(text).subspan(1, 2)), 0U);
  EXPECT_EQ(plain_prefix(bytes(), Ids{'a', 0xFF, 'b'}), 1U);
  EXPECT_EQ(plain_prefix(bytes(), Ids{'a', kEnd}), 2U);
  EXPECT_EQ(plain_prefix(bytes(), Ids{'a', kEnd, 'b'}), 1U);
  EXPECT_EQ(plain_prefix(bytes(), Ids{'a', 0xE6, kEnd}), 1U);
  EXPECT_EQ(plain_prefix(bytes(), Ids{}), 0U);
}

TEST(TranslateTokens, PairsStandBehindTheSameText) {
  const Ids one = {'a', 'b', 'c', 'a', 'b', kEnd};
  const auto other = *translate_tokens(bytes(), pairs(), one);  // "ab" "c" "ab" end
  const auto found = tokens_behind_same_text(bytes(), one, pairs(), other);
  EXPECT_EQ(found.first, (std::vector<std::int32_t>{0, 2, 3, 5}));
  EXPECT_EQ(found.second, (std::vector<std::int32_t>{0, 1, 2, 3}));
  const auto back = tokens_behind_same_text(pairs(), other, bytes(), one);
  EXPECT_EQ(back.first, found.second);
  EXPECT_EQ(back.second, found.first);
}

}  // namespace
}  // namespace drystill::language
