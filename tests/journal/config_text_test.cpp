#include "journal/config_text.h"

#include <gtest/gtest.h>

namespace drystill::journal {
namespace {

using Flat = std::vector<std::pair<std::string, std::string>>;

TEST(FlattenConfig, MappingsListsAndComments) {
  const auto flat = flatten_config(
      "seed: 3  # the first\n"
      "student:\n"
      "  model: resnet8\n"
      "  optimizer:\n"
      "    name: 'a # b'\n"
      "# nothing\n"
      "losses:\n"
      "  - name: kl\n"
      "    weight: 1\n"
      "  - name: l1\n"
      "sizes:\n"
      "- 1\n"
      "- 2\n"
      "shape: [1, 32, 32]\n"
      "url: http://x\n");
  const Flat expected{{"seed", "3"},
                      {"student.model", "resnet8"},
                      {"student.optimizer.name", "'a # b'"},
                      {"losses[0].name", "kl"},
                      {"losses[0].weight", "1"},
                      {"losses[1].name", "l1"},
                      {"sizes[0]", "1"},
                      {"sizes[1]", "2"},
                      {"shape", "[1, 32, 32]"},
                      {"url", "http://x"}};
  EXPECT_EQ(flat, expected);
}

TEST(FlattenConfig, AnythingIsTakenAsText) {
  EXPECT_TRUE(flatten_config("").empty());
  for (const char* odd : {"-", "- - - x", ":", "::", "  - a\n- b\n   c: d", "\"quoted: \" rest", "a:\n\tb: c"}) {
    EXPECT_NO_THROW(flatten_config(odd)) << odd;
  }
}

TEST(ConfigDifferences, OnlyWhatDiffers) {
  const auto differences = config_differences({"a: 1\nb: 2\n", "a: 1\nb: 3\nc: 4\n"});
  ASSERT_EQ(differences.size(), 2u);
  EXPECT_EQ(differences[0].key, "b");
  EXPECT_EQ(differences[0].values, (std::vector<std::string>{"2", "3"}));
  EXPECT_EQ(differences[1].key, "c");
  EXPECT_EQ(differences[1].values, (std::vector<std::string>{"", "4"}));
}

}  // namespace
}  // namespace drystill::journal
