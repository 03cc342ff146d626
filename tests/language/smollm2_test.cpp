// The real vocabulary of SmolLM2, which is too large to be kept here: DRYSTILL_SMOLLM2 names its file (in the test's
// environment; CMake's DRYSTILL_SMOLLM2 adds the test).
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/utf8.h"
#include "language/chat/chat_template.h"
#include "language/tokenizer/load_tokenizer.h"
#include "tests/language/golden_tokenizers.h"

namespace drystill::language {
namespace {

class SmolLm2 : public ::testing::Test {
 protected:
  static const Tokenizer& tokenizer() {
    static const Tokenizer loaded = [] {
      const char* path = std::getenv("DRYSTILL_SMOLLM2");
      if (path == nullptr) throw std::runtime_error("set DRYSTILL_SMOLLM2");
      return load_tokenizer(path);
    }();
    return loaded;
  }
};

TEST_F(SmolLm2, GivesTheIdsOfTokenizers) {
  const auto golden = testing::read_golden_ids("smollm2_ids.json.gz");
  const auto& texts = testing::golden_texts();
  ASSERT_EQ(golden.ids.size(), texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    ASSERT_EQ(tokenizer().encode(texts[i]), golden.ids[i]) << "text " << i << ": " << texts[i];
    ASSERT_EQ(tokenizer().encode(texts[i], {.allow_special = true}), golden.special_ids(i)) << texts[i];
  }
}

// The prompts behind which tests/apps/smollm2_test.py compares what is generated.
TEST_F(SmolLm2, GivesTheIdsOfTransformersForPrompts) {
  std::ifstream file(std::string(DRYSTILL_GOLDEN_DIR) + "/language/smollm2_greedy.json");
  const auto golden = nlohmann::json::parse(file);
  ASSERT_GE(golden["cases"].size(), 2U);
  for (const auto& one : golden["cases"]) {
    const auto prompt = one["prompt"].get<std::string>();
    const ChatMessage message{"user", prompt};
    const auto ids = one["raw"].get<bool>() ? tokenizer().encode(prompt, {.allow_special = true, .add_special = true})
                                            : encode_chat(tokenizer(), {&message, 1}, {.add_generation_prompt = true});
    EXPECT_EQ(ids, one["prompt_ids"].get<std::vector<std::int64_t>>()) << prompt;
  }
}

TEST_F(SmolLm2, EncodesAMegabyteFast) {
  std::string text;
  for (std::size_t i = 0; text.size() < 1'000'000; ++i) {
    text +=
        valid_utf8(testing::golden_texts()[i % testing::golden_texts().size()]) + " word" + std::to_string(i) + "\n";
  }
  const auto start = std::chrono::steady_clock::now();
  const auto ids = tokenizer().encode(text);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  RecordProperty("seconds", std::to_string(seconds.count()));
  std::printf("%zu bytes, %zu tokens, %.3f s\n", text.size(), ids.size(), seconds.count());
  EXPECT_LT(seconds.count(), 10.0);
}

}  // namespace
}  // namespace drystill::language
