#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <random>
#include <string>

#include "configs/reader.h"
#include "configs/yaml_document.h"
#include "core/error.h"
#include "tests/configs/random_options.h"
#include "tests/configs/sample_options.h"
#include "tests/support/temporary_folder.h"

// Input made to crash, hang or eat memory: all of it must end in an ordinary error, soon.

namespace drystill::configs {
namespace {

using testing::Sample;

// The error, or "" where the text was accepted. Fails the test where it takes more than a few seconds.
std::string outcome(std::string_view text) {
  const auto start = std::chrono::steady_clock::now();
  std::string error;
  Sample sample;
  try {
    load_options_text(text, "x.yaml", {}, option_ref(sample));
  } catch (const ConfigError& caught) {
    error = caught.what();
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
  return error;
}

std::string repeat(std::string_view text, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += text;
  return out;
}

TEST(Hostile, DeepNesting) {
  for (const char* piece : {"[", "{a: ", "- ", "? ", "[{a: ", "a: [", "!!map {"}) {
    EXPECT_NE(outcome(repeat(piece, 100'000)), "") << piece;
  }
  std::string indented;
  for (std::size_t i = 0; i < 1000; ++i) indented += std::string(i, ' ') + "a:\n";
  EXPECT_NE(outcome(indented).find("nested more than 64 levels deep"), std::string::npos);
}

TEST(Hostile, BillionLaughs) {
  std::string text = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n";
  for (int i = 1; i < 20; ++i) {
    const std::string alias = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + repeat(alias + ", ", 8) + alias + "]\n";
  }
  EXPECT_NE(outcome(text).find("more than 100000 values"), std::string::npos);
}

TEST(Hostile, AliasesOfALongText) {
  const std::string text = "a: &a '" + std::string(500'000, 'x') + "'\nb: [" + repeat("*a, ", 5000) + "*a]\n";
  EXPECT_NE(outcome(text).find("16 MiB of text"), std::string::npos);
}

TEST(Hostile, AliasesCannotNestDeeperThanTheLimit) {
  std::string text;
  for (int i = 0; i < 30; ++i) {
    const std::string inner = i == 0 ? "x" : "*a" + std::to_string(i - 1);
    text +=
        "a" + std::to_string(i) + ": &a" + std::to_string(i) + " " + repeat("[", 20) + inner + repeat("]", 20) + "\n";
  }
  EXPECT_NE(outcome(text).find("nested more than 64 levels deep"), std::string::npos);
}

TEST(Hostile, TenMegabyteScalarFile) {
  const drystill::testing::TemporaryFolder folder;
  std::ofstream(folder / "big.yaml") << "name: " << std::string(10'000'000, 'x') << "\n";
  try {
    load_options<Sample>(folder / "big.yaml");
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("is larger than 1 MiB"), std::string::npos);
  }
}

TEST(Hostile, LongPieces) {
  const std::string long_text(900'000, 'x');
  EXPECT_EQ(outcome("name: " + long_text), "");
  EXPECT_LT(outcome(long_text + ": 1").size(), 1000U);
  EXPECT_LT(outcome("seed: " + long_text).size(), 1000U);
  EXPECT_LT(outcome("pacing: " + long_text).size(), 1000U);
  EXPECT_LT(outcome("optimizer: {method: " + long_text + "}").size(), 1000U);
  EXPECT_LT(outcome("name: ${" + long_text + "}").size(), 1000U);
  EXPECT_NE(outcome("seed: " + std::string(900'000, '9')), "");
  EXPECT_NE(outcome("rate: 1e" + std::string(900'000, '9')), "");
}

TEST(Hostile, ManyKeysAndItems) {
  std::string keys;
  for (int i = 0; i < 60'000; ++i) keys += "k" + std::to_string(i) + ": 1\n";
  EXPECT_NE(outcome(keys), "");
  EXPECT_NE(outcome("tags: [" + repeat("a,", 99'000) + "a]\nseed: x\n"), "");
}

TEST(Hostile, RandomBytes) {
  std::mt19937_64 random(20'240'601);
  for (int round = 0; round < 20'000; ++round) {
    std::string text(random() % 64, '\0');
    for (char& c : text) c = static_cast<char>(random());
    outcome(text);
  }
}

TEST(Hostile, RandomYamlPieces) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 50'000; ++round) {
    std::string text;
    for (std::size_t left = random() % 8; left > 0; --left) text += testing::random_text(random);
    outcome(text);
  }
}

TEST(Hostile, DamagedConfiguration) {
  const std::string whole =
      "seed: 3\nramp: &r {begin: 0.1, end: 0.2}\nsecond_ramp: *r\noptimizer:\n  method: sgd\n  momentum: 0.5\n"
      "stages:\n  - name: 'a'\n    epochs: 4\n  - {name: \"b\", epochs: 1}\ntags: [x, y]\nname: |\n  long\n  text\n";
  ASSERT_EQ(outcome(whole), "");
  constexpr std::string_view kBytes = " \n\t:-?[]{}&*!|>'\"%@`#,$~0a\x80\xFF";
  std::mt19937_64 random(99);
  for (int round = 0; round < 30'000; ++round) {
    std::string text = whole;
    for (std::size_t edits = 1 + random() % 4; edits > 0; --edits) {
      const std::size_t at = random() % text.size();
      switch (random() % 3) {
        case 0:
          text[at] = kBytes[random() % kBytes.size()];
          break;
        case 1:
          text.insert(at, 1, kBytes[random() % kBytes.size()]);
          break;
        default:
          text.erase(at, 1 + random() % 5);
      }
      if (text.empty()) text = "a";
    }
    outcome(text);
  }
}

}  // namespace
}  // namespace drystill::configs
