#include "language/tokenizer/tokenizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <random>

#include "core/error.h"
#include "core/utf8.h"
#include "tests/language/golden_tokenizers.h"

namespace drystill::language {
namespace {

using testing::golden_families;
using testing::golden_texts;
using testing::GoldenFamily;
using Ids = std::vector<std::int64_t>;

class GoldenTokenizer : public ::testing::TestWithParam<std::string> {
 protected:
  const GoldenFamily& family() const { return golden_families().at(GetParam()); }
  const Tokenizer tokenizer_ = golden_families().at(GetParam()).load();
};

TEST_P(GoldenTokenizer, GivesTheIdsOfTokenizers) {
  ASSERT_EQ(golden_texts().size(), 2000U);
  ASSERT_EQ(family().ids.size(), 2000U);
  for (std::size_t i = 0; i < golden_texts().size(); ++i) {
    ASSERT_EQ(tokenizer_.encode(golden_texts()[i]), family().ids[i]) << "text " << i << ": " << golden_texts()[i];
  }
}

TEST_P(GoldenTokenizer, GivesTheIdsOfTokenizersWithSpecialTokens) {
  EXPECT_GE(family().special.size(), 10U);
  for (std::size_t i = 0; i < golden_texts().size(); ++i) {
    ASSERT_EQ(tokenizer_.encode(golden_texts()[i], {.allow_special = true}), family().special_ids(i))
        << "text " << i << ": " << golden_texts()[i];
  }
}

TEST_P(GoldenTokenizer, AppliesThePostProcessor) {
  EXPECT_EQ(tokenizer_.encode("Hello, teacher", {.add_special = true}), family().hello);
  EXPECT_EQ(family().hello.front() == tokenizer_.bos(), GetParam() == "llama3");
}

TEST_P(GoldenTokenizer, DecodesAsTokenizers) {
  Ids ids;
  for (std::int64_t id = 0; id < tokenizer_.vocab_size(); id += 3) ids.push_back(id);
  EXPECT_EQ(tokenizer_.decode(ids), family().decoded);
}

// NFC changes the text, and a vocabulary without all bytes loses some: there the ids are what comes back.
TEST_P(GoldenTokenizer, DecodingUndoesEncoding) {
  const bool lossy = GetParam() == "qwen2" || GetParam() == "flags" || GetParam() == "smollm2";
  for (const auto& text : golden_texts()) {
    for (const bool special : {false, true}) {
      if (GetParam() == "flags" && special) continue;  // lstrip and rstrip swallow white space
      const Ids ids = tokenizer_.encode(text, {.allow_special = special});
      const std::string decoded = tokenizer_.decode(ids);
      if (!lossy) {
        ASSERT_EQ(decoded, valid_utf8(text));
      } else if (GetParam() == "qwen2") {
        ASSERT_EQ(tokenizer_.encode(decoded, {.allow_special = special}), ids);
      }
    }
  }
}

TEST_P(GoldenTokenizer, UserTextMakesNoSpecialId) {
  std::vector<std::string> special;
  for (std::int64_t id = 0; id < tokenizer_.vocab_size(); ++id) {
    if (tokenizer_.is_special(id)) special.emplace_back(tokenizer_.token_bytes(id));
  }
  ASSERT_FALSE(special.empty());
  std::string all;
  for (const auto& token : special) all += token + " x" + token + "\n";
  for (const auto id : tokenizer_.encode(all)) ASSERT_FALSE(tokenizer_.is_special(id));
  std::size_t found = 0;
  for (const auto id : tokenizer_.encode(all, {.allow_special = true})) found += tokenizer_.is_special(id) ? 1 : 0;
  EXPECT_EQ(found, 2 * special.size());
}

INSTANTIATE_TEST_SUITE_P(Families, GoldenTokenizer, ::testing::Values("gpt2", "smollm2", "llama3", "qwen2", "flags"),
                         [](const auto& family) { return family.param; });

TEST(Tokenizer, RandomBytesComeBack) {
  for (const char* name : {"gpt2", "llama3"}) {
    const Tokenizer tokenizer = golden_families().at(name).load();
    std::mt19937 engine(7);
    for (int round = 0; round < 300; ++round) {
      std::string text(engine() % 60, ' ');
      for (char& c : text) c = static_cast<char>(round % 2 == 0 ? engine() % 256 : engine() % 16 + 32);
      ASSERT_EQ(tokenizer.decode(tokenizer.encode(text)), valid_utf8(text)) << name << ", seed 7, round " << round;
    }
  }
}

TEST(Tokenizer, SpecialTokensOnlyInPartsThatAllowThem) {
  const Tokenizer tokenizer = golden_families().at("qwen2").load();
  const std::int64_t end = *tokenizer.id_of("<|im_end|>");
  const auto count = [&](std::initializer_list<Tokenizer::Part> parts) {
    const std::vector<Tokenizer::Part> list(parts);
    const Ids ids = tokenizer.encode_parts(list);
    return std::ranges::count(ids, end);
  };
  EXPECT_EQ(count({{"<|im_end|>", true}, {"<|im_end|>", false}}), 1);
  EXPECT_EQ(count({{"<|im_end|>", false}, {"<|im_end|>", true}}), 1);
  EXPECT_EQ(count({{"<|im_", false}, {"end|>", true}}), 0);   // half and half is no marker
  EXPECT_EQ(count({{"<|im_", true}, {"end|>", true}}), 1);    // two template pieces are one text
  EXPECT_EQ(count({{"<", false}, {"<|im_end|>", true}}), 1);  // the marker behind a user's '<'
  EXPECT_EQ(count({{"<|im_end", false}, {"<|im_end|>|>", true}}), 1);
}

TEST(Tokenizer, PartsAreOneText) {
  const Tokenizer tokenizer = golden_families().at("llama3").load();
  const std::vector<Tokenizer::Part> parts = {{"the tea", true}, {"cher\n", false}, {"\nknows", true}};
  EXPECT_EQ(tokenizer.encode_parts(parts), tokenizer.encode("the teacher\n\nknows"));
}

TEST(Tokenizer, KnowsItsTokens) {
  const Tokenizer tokenizer = golden_families().at("qwen2").load();
  EXPECT_EQ(tokenizer.token_bytes(*tokenizer.id_of(" the")), " the");
  EXPECT_EQ(tokenizer.token_bytes(*tokenizer.id_of("<|im_end|>")), "<|im_end|>");
  EXPECT_EQ(tokenizer.eos(), tokenizer.id_of("<|im_end|>"));
  EXPECT_EQ(tokenizer.pad(), tokenizer.id_of("<|endoftext|>"));
  EXPECT_EQ(tokenizer.bos(), std::nullopt);
  EXPECT_EQ(tokenizer.id_of("no such token"), std::nullopt);
  EXPECT_EQ(tokenizer.vocab_size(), *tokenizer.id_of("</think>") + 1);
  EXPECT_FALSE(tokenizer.is_special(*tokenizer.id_of("<think>")));
  for (const std::int64_t id : {std::int64_t{-1}, tokenizer.vocab_size(), std::int64_t{1} << 40}) {
    EXPECT_EQ(tokenizer.token_bytes(id), "");
    EXPECT_EQ(tokenizer.decode(Ids{id}), "");
  }
  const Ids ids = tokenizer.encode("the<|im_end|>", {.allow_special = true});
  EXPECT_EQ(tokenizer.decode(ids), "the<|im_end|>");
  EXPECT_EQ(tokenizer.decode(ids, true), "the");
}

TokenizerParts tiny_parts() {
  TokenizerParts parts;
  parts.source = "tiny";
  for (int byte = 0; byte < 256; ++byte) parts.tokens.emplace_back(std::string(1, static_cast<char>(byte)));
  parts.tokens.emplace_back("ab");
  parts.tokens.emplace_back("aa");
  parts.tokens.emplace_back("aaaa");
  parts.merges = {{"a", "b"}, {"a", "a"}, {"aa", "aa"}};
  parts.added = {{.content = "<s>", .id = 259, .special = true}};
  return parts;
}

// A longer special token that begins in a user's text must not swallow the template's marker.
TEST(Tokenizer, AMarkerStandsBehindWhatLooksLikeALongerOne) {
  auto parts = tiny_parts();
  parts.added.push_back({.content = "x<s>", .id = 260, .special = true});
  const Tokenizer tokenizer(parts);
  const std::vector<Tokenizer::Part> chat = {{"x", false}, {"<s>", true}};
  EXPECT_EQ(tokenizer.encode_parts(chat), (Ids{'x', 259}));
  EXPECT_EQ(tokenizer.encode("x<s>", {.allow_special = true}), (Ids{260}));
}

TEST(Tokenizer, LowestRankFirstThenLeftmost) {
  const Tokenizer tokenizer(tiny_parts());
  EXPECT_EQ(tokenizer.encode("aab"), (Ids{'a', 256}));
  EXPECT_EQ(tokenizer.encode("aaa"), (Ids{257, 'a'}));
  EXPECT_EQ(tokenizer.encode("aaaaab"), (Ids{258, 256}));
}

// Words just below and above the length from which the heap is used give the same ids as merging by the definition.
TEST(Tokenizer, LongWordsAreMergedAsShortOnes) {
  const Tokenizer tokenizer(tiny_parts());
  for (std::size_t length = 1; length < 70; ++length) {
    const std::string word(length, 'a');
    Ids expected(length / 4, 258);
    if (length % 4 >= 2) expected.push_back(257);
    if (length % 2 == 1) expected.push_back('a');
    EXPECT_EQ(tokenizer.encode(word), expected) << length;
  }
}

TEST(Tokenizer, AMegabyteOfOneLetterIsNoTrap) {
  const Tokenizer tokenizer = golden_families().at("gpt2").load();
  for (const char* unit : {"a", " ", "the", "\n", "1", "<|endoftext|", "'s", "\xF0\x9F\x98\x80", "\xFF", "e\xCC\x81"}) {
    std::string text;
    while (text.size() < 1'000'000) text += unit;
    const auto start = std::chrono::steady_clock::now();
    const Ids ids = tokenizer.encode(text);
    // Far more than it takes, far less than anything quadratic would.
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20)) << unit;
    EXPECT_EQ(tokenizer.decode(ids), valid_utf8(text)) << unit;
  }
}

void expect_refused(TokenizerParts parts, const std::string& words) {
  try {
    const Tokenizer tokenizer(std::move(parts));
    ADD_FAILURE() << "accepted; expected: " << words;
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
  }
}

TEST(Tokenizer, RefusesPartsThatDoNotFit) {
  auto parts = tiny_parts();
  parts.merges.emplace_back("ab", "c");
  expect_refused(parts, "needs the token 'abc'");
  parts = tiny_parts();
  parts.merges.emplace_back("x", "yz");
  expect_refused(parts, "needs the token 'yz'");
  parts = tiny_parts();
  parts.tokens.emplace_back("ab");
  parts.added.clear();
  expect_refused(parts, "has the ids 256 and 259");
  parts = tiny_parts();
  parts.added.push_back({.content = "<t>", .id = 259, .special = true});
  expect_refused(parts, "id 259 belongs to '<s>' and to '<t>'");
  parts = tiny_parts();
  parts.added.push_back({.content = "ab", .id = 300});
  expect_refused(parts, "has the ids 256 and 300");
  parts = tiny_parts();
  parts.added.push_back({.content = "ab", .id = 256, .special = true});
  expect_refused(parts, "makes the special token 'ab'");
  for (const std::int64_t id : {std::int64_t{-1}, std::int64_t{1} << 50}) {
    parts = tiny_parts();
    parts.added.push_back({.content = "<t>", .id = id});
    expect_refused(parts, "has the id " + std::to_string(id));
    parts = tiny_parts();
    parts.bos = id;
    expect_refused(parts, "has no token");
    parts = tiny_parts();
    parts.prefix = {id};
    expect_refused(parts, "has no token");
  }
  expect_refused({}, "empty");
}

TEST(Tokenizer, ComparesVocabularies) {
  const Tokenizer tiny(tiny_parts());
  auto parts = tiny_parts();
  parts.tokens.resize(5000);  // padding
  EXPECT_TRUE(same_vocabulary(tiny, Tokenizer(parts)));
  parts = tiny_parts();
  parts.tokens[256] = "ba";
  parts.merges.front() = {"b", "a"};
  EXPECT_EQ(vocabulary_difference(tiny, Tokenizer(parts)).value().message(),
            "id 256 is 'ab' in the first and 'ba' in the second");
  parts = tiny_parts();
  parts.added.push_back({.content = "<t>", .id = 260});
  EXPECT_EQ(vocabulary_difference(tiny, Tokenizer(parts)).value().message(),
            "id 260 is no token in the first and '<t>' in the second");
  EXPECT_FALSE(same_vocabulary(tiny, Tokenizer(parts)));
}

}  // namespace
}  // namespace drystill::language
