#include "language/views/text_template.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace drystill::language {
namespace {

TEST(TextTemplate, FillsNames) {
  const TextTemplate text("Q: {prompt}\nA: {reference}{prompt}");
  EXPECT_EQ(text.fill({{"prompt", "1+1"}, {"reference", "2"}}), "Q: 1+1\nA: 21+1");
  EXPECT_EQ(text.fill({{"prompt", "1+1"}}), std::nullopt);
}

TEST(TextTemplate, DoesNotReadWhatItFillsIn) {
  EXPECT_EQ(TextTemplate("{a}").fill({{"a", "{b} }} {{"}, {"b", "no"}}), "{b} }} {{");
}

TEST(TextTemplate, DoubledBracesAreBraces) {
  EXPECT_EQ(TextTemplate("{{x}} {{{a}}}").fill({{"a", "1"}}), "{x} {1}");
  EXPECT_EQ(TextTemplate("").fill({}), "");
  EXPECT_TRUE(TextTemplate("").empty());
  EXPECT_FALSE(TextTemplate("x").empty());
}

TEST(TextTemplate, NamesTheBraceWithoutPartner) {
  for (const char* text : {"{", "x{name", "{}", "a } b", "}"}) {
    EXPECT_THROW(TextTemplate{text}, ConfigError) << text;
  }
  try {
    TextTemplate("ab{c");
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("character 3"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace drystill::language
