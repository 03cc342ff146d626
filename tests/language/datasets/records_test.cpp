#include "language/datasets/records.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace drystill::language {
namespace {

std::string error_of(std::string_view text) {
  try {
    parse_records(text, "file.jsonl");
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Records, AreTextsByName) {
  const auto records =
      parse_records("{\"prompt\": \"a\\nb\", \"n\": 1.5, \"yes\": true}\r\n\n  \n{\"prompt\": \"\"}", "f");
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[0], (Record{{{"prompt", "a\nb"}, {"n", "1.5"}, {"yes", "true"}}, "f:1"}));
  EXPECT_EQ(records[1], (Record{{{"prompt", ""}}, "f:4"}));
  EXPECT_TRUE(parse_records("", "f").empty());
}

TEST(Records, NameFileAndLineOfWhatTheyAreNot) {
  const std::string good = "{\"prompt\": \"a\"}\n\n";
  for (const std::string bad : {"{\"prompt\": \"a\"", "[1]", "3", "null", "{\"prompt\": null}", "{\"prompt\": [\"a\"]}",
                                "{\"text\": \"a\"}", "{}", "{\"prompt\": \"a\"} x", "\xFF", "{\"prompt\": \"\xFF\"}"}) {
    EXPECT_TRUE(error_of(good + bad).starts_with("file.jsonl:3: ")) << bad << " -> " << error_of(good + bad);
  }
  EXPECT_NE(error_of("{\"prompt\": null}").find("'prompt'"), std::string::npos);
}

// Deep nesting must not end in a stack overflow.
TEST(Records, SurviveDeepNesting) {
  EXPECT_TRUE(error_of("{\"prompt\": " + std::string(1000000, '[')).starts_with("file.jsonl:1: "));
}

}  // namespace
}  // namespace drystill::language
