#include "language/tokenizer/gguf_vocabulary.h"

#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "tests/language/golden_tokenizers.h"

namespace drystill::language {
namespace {

using Json = nlohmann::json;

// What a converter writes for one of the golden tokenizers.
GgufVocabulary gguf_of(const std::string& family, const std::string& pre) {
  const Json json = Json::parse(testing::golden_families().at(family).tokenizer_json);
  GgufVocabulary vocabulary;
  vocabulary.model = "gpt2";
  vocabulary.pre = pre;
  const auto place = [&](const std::string& token, std::size_t id, std::int32_t type) {
    for (std::size_t hole = vocabulary.tokens.size(); hole <= id; ++hole) {
      vocabulary.tokens.push_back("[PAD" + std::to_string(hole) + "]");
      vocabulary.token_types.push_back(5);
    }
    vocabulary.tokens[id] = token;
    vocabulary.token_types[id] = type;
  };
  for (const auto& [token, id] : json.at("model").at("vocab").items()) place(token, id.get<std::size_t>(), 1);
  for (const Json& token : json.at("added_tokens")) {
    place(token.at("content"), token.at("id").get<std::size_t>(), token.at("special").get<bool>() ? 3 : 4);
  }
  for (const Json& merge : json.at("model").at("merges")) {
    vocabulary.merges.push_back(merge[0].get<std::string>() + " " + merge[1].get<std::string>());
  }
  return vocabulary;
}

TEST(GgufVocabulary, EqualsTheTokenizerItCameFrom) {
  for (const auto& [family, pre] :
       {std::pair("gpt2", "gpt-2"), {"smollm2", "smollm"}, {"llama3", "llama-bpe"}, {"qwen2", "qwen2"}}) {
    const auto& golden = testing::golden_families().at(family);
    const Tokenizer tokenizer = tokenizer_from_gguf(gguf_of(family, pre), "test.gguf");
    EXPECT_TRUE(same_vocabulary(tokenizer, golden.load()));
    for (std::size_t i = 0; i < golden.ids.size(); ++i) {
      ASSERT_EQ(tokenizer.encode(testing::golden_texts()[i]), golden.ids[i]) << family << ", text " << i;
      ASSERT_EQ(tokenizer.encode(testing::golden_texts()[i], {.allow_special = true}), golden.special_ids(i))
          << family << ", text " << i;
    }
  }
}

TEST(GgufVocabulary, PaddingIsNoToken) {
  GgufVocabulary padded = gguf_of("qwen2", "qwen2");
  padded.tokens.resize(padded.tokens.size() + 50, "[PAD]");
  padded.token_types.resize(padded.tokens.size(), 5);
  EXPECT_TRUE(same_vocabulary(tokenizer_from_gguf(padded, "a"), tokenizer_from_gguf(gguf_of("qwen2", "qwen2"), "b")));
}

TEST(GgufVocabulary, TakesIdsAndTemplate) {
  GgufVocabulary vocabulary = gguf_of("llama3", "llama-bpe");
  vocabulary.bos = 902;
  vocabulary.eos = 906;
  vocabulary.add_bos = true;
  vocabulary.chat_template = "x";
  const Tokenizer tokenizer = tokenizer_from_gguf(vocabulary, "test.gguf");
  EXPECT_EQ(tokenizer.token_bytes(*tokenizer.bos()), "<|begin_of_text|>");
  EXPECT_EQ(tokenizer.token_bytes(*tokenizer.eos()), "<|eot_id|>");
  EXPECT_EQ(tokenizer.encode("a", {.add_special = true}).front(), 902);
  EXPECT_EQ(tokenizer.encode("a").size(), 1U);
  EXPECT_EQ(tokenizer.encode("a", {.add_special = true}).size(), 2U);
  EXPECT_EQ(tokenizer.chat_template(), "x");
  vocabulary.add_eos = true;
  const auto framed = tokenizer_from_gguf(vocabulary, "test.gguf").encode("a", {.add_special = true});
  EXPECT_EQ(framed.size(), 3U);
  EXPECT_EQ(framed.back(), 906);
}

// llama.cpp begins the texts of Llama 3 so where the file does not say; those of others not.
TEST(GgufVocabulary, Llama3BeginsItsTextsUnlessToldOtherwise) {
  GgufVocabulary vocabulary = gguf_of("llama3", "llama-bpe");
  const auto first = [&] { return tokenizer_from_gguf(vocabulary, "a").encode("a", {.add_special = true}).front(); };
  const auto without = first();
  vocabulary.bos = 902;
  EXPECT_EQ(first(), 902);
  vocabulary.add_bos = false;
  EXPECT_EQ(first(), without);
  GgufVocabulary gpt2 = gguf_of("gpt2", "gpt-2");
  gpt2.bos = 5;
  EXPECT_NE(tokenizer_from_gguf(gpt2, "a").encode("a", {.add_special = true}).front(), 5);
}

void expect_gguf_refused(const std::function<void(GgufVocabulary&)>& change, const std::string& words) {
  GgufVocabulary vocabulary = gguf_of("gpt2", "gpt-2");
  change(vocabulary);
  try {
    tokenizer_from_gguf(vocabulary, "test.gguf");
    ADD_FAILURE() << "accepted; expected: " << words;
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("test.gguf"), std::string::npos) << error.what();
  }
}

TEST(GgufVocabulary, RefusesOtherKindsAndDamage) {
  expect_gguf_refused([](auto& v) { v.model = "llama"; }, "'llama'");
  expect_gguf_refused([](auto& v) { v.pre = "deepseek-llm"; }, "'deepseek-llm'");
  expect_gguf_refused([](auto& v) { v.pre = ""; }, "tokenizer.ggml.pre");
  expect_gguf_refused([](auto& v) { v.token_types.pop_back(); }, "token types");
  expect_gguf_refused([](auto& v) { v.token_types[5] = 77; }, "type 77");
  expect_gguf_refused([](auto& v) { v.tokens[5] = "\u4E00"; }, "byte-level alphabet");
  expect_gguf_refused([](auto& v) { v.tokens[5] = "\xFF"; }, "byte-level alphabet");
  expect_gguf_refused([](auto& v) { v.tokens[5] = v.tokens[6]; }, "has the ids 5 and 6");
  expect_gguf_refused([](auto& v) { v.merges.push_back("ab"); }, "not two byte-level tokens");
  expect_gguf_refused([](auto& v) { v.merges.push_back("a \u4E00"); }, "not two byte-level tokens");
  expect_gguf_refused([](auto& v) { v.merges.push_back("z q"); }, "vocabulary lacks");
  expect_gguf_refused([](auto& v) { v.bos = 5000; }, "5000");
  expect_gguf_refused([](auto& v) { v.eos = -1; }, "-1");
  expect_gguf_refused([](auto& v) { v.add_bos = true; }, "add_bos");
  expect_gguf_refused([](auto& v) { v.add_eos = true; }, "add_eos");
  expect_gguf_refused([](auto& v) { v.tokens.clear(), v.token_types.clear(), v.merges.clear(); }, "empty");
}

}  // namespace
}  // namespace drystill::language
