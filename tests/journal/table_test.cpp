#include "journal/table.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"

namespace drystill::journal {
namespace {

Table sample() {
  Table table({{.name = "run"}, {.name = "steps"}, {.name = "accuracy", .decimals = 2, .percent = true}});
  table.add_row({"a|b", std::int64_t{1000}, 0.8625});
  table.add_row({"é", std::int64_t{7}, std::monostate()});
  return table;
}

TEST(Table, Text) {
  EXPECT_EQ(sample().to_text(),
            "run  steps  accuracy\n"
            "---  -----  --------\n"
            "a|b   1000   86.25 %\n"
            "é        7         -\n");
}

TEST(Table, TextHoldsNothingThatATerminalObeys) {
  Table table({{.name = "na\nme"}});
  table.add_row(
      {"a\x1b[2Jb\xC2\x9B"
       "c\r\n\x7f é"});
  EXPECT_EQ(table.to_text(),
            "na\\x0ame\n"
            "--------------------------------\n"
            "a\\x1b[2Jb\\xc2\\x9bc\\x0d\\x0a\\x7f é\n");
}

TEST(Table, Markdown) {
  EXPECT_EQ(sample().to_markdown(),
            "| run | steps | accuracy |\n"
            "|---|---:|---:|\n"
            "| a\\|b | 1000 | 86.25 % |\n"
            "| é | 7 | - |\n");
}

TEST(Table, JsonKeepsTheNumbers) {
  const auto json = nlohmann::json::parse(sample().to_json());
  EXPECT_EQ(json[0]["run"], "a|b");
  EXPECT_EQ(json[0]["steps"], 1000);
  EXPECT_EQ(json[0]["accuracy"], 0.8625);
  EXPECT_TRUE(json[1]["accuracy"].is_null());
}

TEST(Table, NumbersThatAreNone) {
  Table table({{.name = "x", .decimals = 1}});
  for (const double value : std::initializer_list<double>{std::nan(""), -INFINITY, 1.79e308}) table.add_row({value});
  EXPECT_EQ(table.text_of(0, 0), "nan");
  EXPECT_EQ(table.text_of(1, 0), "-inf");
  EXPECT_EQ(table.text_of(2, 0).size(), 311u);
  EXPECT_TRUE(nlohmann::json::parse(table.to_json())[0]["x"].is_null());
}

TEST(Table, RowsMustFit) {
  Table table({{.name = "x"}});
  EXPECT_THROW(table.add_row({}), ConfigError);
  EXPECT_EQ(table.to_json(), "[]");
  EXPECT_EQ(table.to_text(), "x\n-\n");
}

}  // namespace
}  // namespace drystill::journal
