#include "language/tokenizer/streaming_decoder.h"

#include <gtest/gtest.h>

#include "core/utf8.h"
#include "tests/language/golden_tokenizers.h"

namespace drystill::language {
namespace {

// A token a byte, and tokens of `pieces`.
Tokenizer tokenizer_of(const std::vector<std::string>& pieces) {
  TokenizerParts parts;
  parts.source = "test";
  for (int byte = 0; byte < 256; ++byte) parts.tokens.emplace_back(std::string(1, static_cast<char>(byte)));
  for (const auto& piece : pieces) parts.tokens.emplace_back(piece);
  parts.added = {{.content = "<s>", .id = 1000, .special = true}};
  return Tokenizer(parts);
}

TEST(StreamingDecoder, NeverSplitsACharacter) {
  const std::string text = "a\u00E9\u20AC\U0001F600\U0001F469\u200D\U0001F467\U0001F3FD!";
  for (std::size_t first = 2; first < text.size() - 2; ++first) {
    for (std::size_t second = first + 2; second < text.size() - 1; ++second) {
      const std::vector<std::string> pieces = {text.substr(0, first), text.substr(first, second - first),
                                               text.substr(second)};
      StreamingDecoder decoder(tokenizer_of(pieces));
      std::string decoded, raw;
      for (std::int64_t id = 256; id < 259; ++id) {
        const std::string step = decoder.push(id);
        ASSERT_TRUE(is_valid_utf8(step)) << first << ' ' << second;
        decoded += step;
        raw += pieces[static_cast<std::size_t>(id) - 256];
        ASSERT_LT(raw.size() - decoded.size(), 4U) << "held back a whole character";
        ASSERT_TRUE(raw.starts_with(decoded)) << first << ' ' << second;
      }
      EXPECT_EQ(decoded, text);
      EXPECT_EQ(decoder.finish(), "");
    }
  }
}

TEST(StreamingDecoder, EmitsACharacterWithItsLastByte) {
  StreamingDecoder decoder(tokenizer_of({}));
  EXPECT_EQ(decoder.push(0xF0), "");
  EXPECT_EQ(decoder.push(0x9F), "");
  EXPECT_EQ(decoder.push(0x98), "");
  EXPECT_EQ(decoder.push(0x80), "\U0001F600");
  EXPECT_EQ(decoder.push('x'), "x");
}

TEST(StreamingDecoder, InvalidBytesBecomeReplacementCharacters) {
  StreamingDecoder decoder(tokenizer_of({}));
  EXPECT_EQ(decoder.push(0xE2), "");
  EXPECT_EQ(decoder.push(0x82), "");
  EXPECT_EQ(decoder.push('x'), "\uFFFDx");
  EXPECT_EQ(decoder.push(0xFF), "\uFFFD");
  EXPECT_EQ(decoder.push(0xF0), "");
  EXPECT_EQ(decoder.push(0xF0), "\uFFFD");
  EXPECT_EQ(decoder.finish(), "\uFFFD");
  EXPECT_EQ(decoder.finish(), "");
  EXPECT_EQ(decoder.push(0x80), "\uFFFD");
}

TEST(StreamingDecoder, EqualsDecodeOfAll) {
  for (const auto& [name, family] : testing::golden_families()) {
    const Tokenizer tokenizer = family.load();
    for (std::size_t i = 0; i < family.ids.size(); i += 7) {
      auto ids = family.special_ids(i);
      ids.push_back(static_cast<std::int64_t>(i) % tokenizer.vocab_size());  // often half a character
      for (const bool skip : {false, true}) {
        StreamingDecoder decoder(tokenizer, skip);
        std::string text;
        for (const auto id : ids) text += decoder.push(id);
        ASSERT_EQ(text + decoder.finish(), tokenizer.decode(ids, skip)) << name << ", text " << i;
      }
    }
  }
}

TEST(StreamingDecoder, SkipsSpecialTokensAndPadding) {
  StreamingDecoder decoder(tokenizer_of({}), true);
  EXPECT_EQ(decoder.push(0xC3), "");
  EXPECT_EQ(decoder.push(1000), "");
  EXPECT_EQ(decoder.push(999), "");
  EXPECT_EQ(decoder.push(-5), "");
  EXPECT_EQ(decoder.push(0xA9), "\u00E9");
  EXPECT_EQ(StreamingDecoder(tokenizer_of({})).push(1000), "<s>");
}

}  // namespace
}  // namespace drystill::language
