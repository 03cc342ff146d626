#include "core/utf8.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

namespace drystill {
namespace {

TEST(Utf8, ReplacesMaximalSubparts) {
  EXPECT_EQ(valid_utf8("a\xE2\x82z"), "a\uFFFDz");
  EXPECT_EQ(valid_utf8("\xE2\x82"), "\uFFFD");
  EXPECT_EQ(valid_utf8("\xF0\x9F\x98"), "\uFFFD");
  EXPECT_EQ(valid_utf8("\xC0\xAF"), "\uFFFD\uFFFD");
  EXPECT_EQ(valid_utf8("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(valid_utf8("\xF4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(valid_utf8("\xF4\x8F\xBF\xBF"), "\U0010FFFF");
}

TEST(Utf8, EveryCharacterComesBack) {
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string text;
    append_utf8(c, text);
    const Utf8Step step = next_character(text);
    ASSERT_TRUE(step.kind == Utf8Step::Kind::kCharacter && step.code_point == c && step.length == text.size())
        << static_cast<std::uint32_t>(c);
  }
}

}  // namespace
}  // namespace drystill
