#include "generator/rollouts/answer_text.h"

#include <gtest/gtest.h>

namespace drystill::generator {
namespace {

TEST(BeforeStop, EndsAtTheFirstOfThem) {
  EXPECT_EQ(before_stop("a;b,c", {}), "a;b,c");
  EXPECT_EQ(before_stop("a;b,c", {",", ";"}), "a");
  EXPECT_EQ(before_stop("a;b,c", {"?"}), "a;b,c");
  EXPECT_EQ(before_stop("a\n\nb", {"\n\n"}), "a");
  EXPECT_EQ(before_stop("a;b;c", {";"}, 2), "a;b");   // the first ends within the first two
  EXPECT_EQ(before_stop("a--b--c", {"--"}, 2), "a");  // that one ends behind them
  EXPECT_EQ(before_stop("a", {";"}, 9), "a");
}

TEST(WithoutThinking, DropsEveryBlock) {
  EXPECT_EQ(without_thinking("plain"), "plain");
  EXPECT_EQ(without_thinking(""), "");
  EXPECT_EQ(without_thinking("<think>a</think>b"), "b");
  EXPECT_EQ(without_thinking("x<think>a</think>b<think></think>c"), "xbc");
  EXPECT_EQ(without_thinking("opened by the prompt</think>b<think>c</think>d"), "bd");
  EXPECT_EQ(without_thinking("b<think>cut here, 42"), "b");
  EXPECT_EQ(without_thinking("<think>a</think>b</think>"), "b</think>");
}

struct NumberCase {
  const char* text;
  std::optional<double> value;
};

TEST(LastNumber, ReadsWhatPeopleWrite) {
  const NumberCase cases[] = {
      {"", std::nullopt},
      {"none", std::nullopt},
      {"7", 7},
      {"first 3, then 4.", 4},
      {"1,234.5", 1234.5},
      {"-1,234,567", -1234567},
      {"1,2,3", 3},
      {"12,3456", 3456},
      {"1234,567", 567},
      {"2.500", 2.5},
      {"it costs $-3.20", -3.2},
      {"it costs -$3.20", -3.2},
      {"\xE2\x88\x92"
       "5",
       -5},
      {"10-3", 3},
      {"(x)-3", 3},
      {"x = -3", -3},
      {"+8", 8},
      {".5", 0.5},
      {"-.5", -0.5},
      {"50%", 50},
      {"3/4", 0.75},
      {"-3 / 4", -0.75},
      {"\\frac{3}{4}", 0.75},
      {"-\\dfrac{-3}{4}", 0.75},
      {"\\frac{x}{4}", 4},
      {"\\boxed{42} and 7", 42},
      {"\\boxed{1} or \\boxed{\\frac{1}{2}}", 0.5},
      {"\\boxed{9", 9},
      {"1.5e3", 1500},
      {"2E-2", 0.02},
      {"2e", 2},
      {"GPT4", std::nullopt},
      {"3 of x2.5", 3},
      {"v.5", 0.5},
      {"\xE7\xAD\x94\xE6\xA1\x88\xE6\x98\xAF"
       "5",
       5},
      {"1/0", std::nullopt},
      {"1e999", std::nullopt},
      {"5km", 5},
  };
  for (const NumberCase& c : cases) {
    const auto value = last_number(c.text);
    ASSERT_EQ(value.has_value(), c.value.has_value()) << c.text;
    EXPECT_DOUBLE_EQ(value.value_or(0), c.value.value_or(0)) << c.text;
  }
}

TEST(LastNumber, TakesLongTextsInOneReading) {
  std::string text;
  for (int i = 0; i < 200000; ++i) text += "\\frac{1,";
  EXPECT_EQ(last_number(text), 1);
  EXPECT_FALSE(last_number(std::string(1000000, '9')).has_value());
  std::string signs(1000000, '-');
  signs += '1';
  EXPECT_EQ(last_number(signs), -1);
  EXPECT_EQ(last_number(std::string("\0\xFF 4", 4)), 4);
}

TEST(LastChoice, TakesTheLastLetterThatStandsAlone) {
  EXPECT_EQ(last_choice("B", "ABCD"), 'B');
  EXPECT_EQ(last_choice("(B)", "ABCD"), 'B');
  EXPECT_EQ(last_choice("Answer: B.", "ABCD"), 'B');
  EXPECT_EQ(last_choice("A or C? **C**", "ABCD"), 'C');
  EXPECT_EQ(last_choice("\\boxed{\\text{D}}", "ABCD"), 'D');
  EXPECT_EQ(last_choice("it is 'B'", "ABCD"), 'B');
  EXPECT_EQ(last_choice("B, because of A's size", "ABCD"), 'B');
  EXPECT_EQ(last_choice("B: Because Any", "ABCD"), 'B');
  EXPECT_EQ(last_choice("B and E", "ABCD"), 'B');
  EXPECT_EQ(last_choice("B or C1 or _C", "ABCD"), 'B');
  EXPECT_EQ(last_choice("A, not C\xC3\xA9 nor \xC3\xA9"
                        "C",
                        "ABCD"),
            'A');
  EXPECT_EQ(last_choice("\xE9\x80\x89"
                        "C\xE3\x80\x82",
                        "ABCD"),
            'C');
  EXPECT_EQ(last_choice("\xE2\x80\x98"
                        "D\xE2\x80\x99",
                        "ABCD"),
            'D');
  EXPECT_EQ(last_choice("b", "ABCD"), std::nullopt);
  EXPECT_EQ(last_choice("", "ABCD"), std::nullopt);
}

}  // namespace
}  // namespace drystill::generator
