#include "configs/scalar.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace drystill::configs {
namespace {

TEST(Scalar, Integers) {
  const auto read = [](const char* text) { return parse_integer(Node::scalar(text)); };
  EXPECT_EQ(read("0").value, 0);
  EXPECT_EQ(read("-12").value, -12);
  EXPECT_EQ(read("+7").value, 7);
  EXPECT_EQ(read("1e5").value, 100000);
  EXPECT_EQ(read("2.0").value, 2);
  EXPECT_EQ(read("9223372036854775807").value, std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(read("-9223372036854775808").value, std::numeric_limits<std::int64_t>::min());
  for (const char* text : {"",    "-",     "1.5",  "1e-1",  "1e16",  "1e999", "9223372036854775808",
                           "010", "0x1F",  "0o17", "1_000", "1,000", "abc",   "1a",
                           "1e",  "12:30", ".",    "--1",   "+-1",   " 1"}) {
    EXPECT_FALSE(read(text).value) << text;
  }
  EXPECT_EQ(read("1_000").hint, " (write '1000')");
  EXPECT_EQ(read("010").hint, " (no leading zero: some readers take it for octal)");
  EXPECT_EQ(read("0x1F").hint, " (write it in decimal)");
  EXPECT_EQ(read("9223372036854775808").hint, " (beyond 64 bits)");
  EXPECT_FALSE(parse_integer(Node::scalar("5", true)).value);
  EXPECT_EQ(parse_integer(Node::scalar("5", true)).hint, " (write it without quotes)");
}

TEST(Scalar, Numbers) {
  const auto read = [](const char* text) { return parse_number(Node::scalar(text)); };
  EXPECT_EQ(read("1e-4").value, 1e-4);
  EXPECT_EQ(read("1E+4").value, 1e4);
  EXPECT_EQ(read(".5").value, 0.5);
  EXPECT_EQ(read("5.").value, 5.0);
  EXPECT_EQ(read("-0.25").value, -0.25);
  EXPECT_EQ(read("-.Inf").hint, " (must be finite)");
  for (const char* text : {"", ".", "e5", "1e", "1e+", "1_0.5", "010", "00.5", "nan", ".nan", "inf", ".inf", "0x1p3",
                           "1 2", "1e999", "true"}) {
    EXPECT_FALSE(read(text).value) << text;
  }
}

TEST(Scalar, Booleans) {
  const auto read = [](const char* text) { return parse_bool(Node::scalar(text)); };
  EXPECT_EQ(read("true").value, true);
  EXPECT_EQ(read("False").value, false);
  for (const char* text : {"yes", "no", "on", "off", "1", "0", "y", "", "truee"})
    EXPECT_FALSE(read(text).value) << text;
  EXPECT_EQ(read("yes").hint, " (write true)");
  EXPECT_EQ(read("off").hint, " (write false)");
  EXPECT_FALSE(parse_bool(Node::scalar("true", true)).value);
}

TEST(Scalar, WrittenNumbersReadBackExactly) {
  for (const double value : {0.0, -0.0, 0.1, 1e-4, 1.0 / 3, 1e300, 5e-324, 123456789.0, 1e22}) {
    const auto read = parse_number(Node::scalar(write_number(value)));
    ASSERT_TRUE(read.value) << value;
    EXPECT_EQ(*read.value, value);
    EXPECT_EQ(std::signbit(*read.value), std::signbit(value));
  }
}

TEST(Scalar, WhatNeedsQuotes) {
  for (const char* text : {"",     "1",   "1e5",  "-",  "- a", ".5", ".inf",  "yes", "No", "null", "~",
                           "true", "a b", "a: b", "#x", "0x1", "+1", "12:30", "[a",  "y",  "...",  "---"}) {
    EXPECT_TRUE(needs_quotes(text)) << text;
  }
  for (const char* text : {"cpu", "self_paced", "runs/x.yaml", "./data", "../data", "/tmp/x-1.gz", "resnet20"}) {
    EXPECT_FALSE(needs_quotes(text)) << text;
  }
}

}  // namespace
}  // namespace drystill::configs
