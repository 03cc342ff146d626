#include "configs/interpolate.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "configs/yaml_document.h"
#include "configs/yaml_emitter.h"

namespace drystill::configs {
namespace {

struct Expanded {
  std::string yaml;
  std::vector<std::string> errors;
};

Expanded expand(std::string_view text) {
  Diagnostics diagnostics;
  auto root = parse_yaml(text, "x.yaml", diagnostics);
  if (root) interpolate(*root, diagnostics);
  return {root ? emit_yaml(*root) : "", diagnostics.lines()};
}

TEST(Interpolate, WholeValuesAndParts) {
  EXPECT_EQ(expand("a: 5\nb: ${a}\nc: x${a}y${a}\n").yaml, "a: 5\nb: 5\nc: x5y5\n");
  EXPECT_EQ(expand("a: {p: [1, 2]}\nb: ${a}\nc: ${a.p[1]}\n").yaml, "a:\n  p: [1, 2]\nb:\n  p: [1, 2]\nc: 2\n");
  EXPECT_EQ(expand("a: ${b}\nb: ${c}\nc: 1\n").yaml, "a: 1\nb: 1\nc: 1\n");
  EXPECT_EQ(expand("a: {x: 1, z: '${a.x}'}\n").yaml, "a:\n  x: 1\n  z: 1\n");  // a sibling is no circle
}

TEST(Interpolate, DollarDollarIsLiteral) {
  EXPECT_EQ(expand("a: $${b}\nc: ${a}\n").yaml, "a: ${b}\nc: ${b}\n");
  EXPECT_EQ(expand("a: $5 {b}\n").yaml, "a: $5 {b}\n");
  for (const char* text : {"${a}", "$${a}", "$$${a}", "$", "${", "x${a", "$$", "a$b{c}"}) {
    Node node = Node::map();
    node.add("k", Node::scalar(escape_references(text)));
    Diagnostics diagnostics;
    interpolate(node, diagnostics);
    EXPECT_EQ(node.find("k")->value.text, text);
    EXPECT_EQ(diagnostics.count(), 0U);
  }
}

TEST(Interpolate, Environment) {
  ASSERT_EQ(setenv("DRYSTILL_TEST_VALUE", "7", 1), 0);
  ASSERT_EQ(setenv("DRYSTILL_TEST_TRICK", "${a}", 1), 0);
  ASSERT_EQ(unsetenv("DRYSTILL_TEST_NONE"), 0);
  EXPECT_EQ(expand("a: ${env:DRYSTILL_TEST_VALUE}\n").yaml, "a: 7\n");
  EXPECT_EQ(expand("a: ${env:DRYSTILL_TEST_NONE,3}/b\n").yaml, "a: 3/b\n");
  EXPECT_EQ(expand("a: ${env:DRYSTILL_TEST_NONE,}\n").yaml, "a: null\n");
  EXPECT_EQ(expand("b: ${env:DRYSTILL_TEST_TRICK}\n").yaml, "b: ${a}\n");  // what the environment says is not expanded
  EXPECT_EQ(expand("a: 1\nb: ${env:DRYSTILL_TEST_NONE}\n").errors,
            std::vector<std::string>{"x.yaml:2:4: the environment variable 'DRYSTILL_TEST_NONE' is not set (or write "
                                     "${env:DRYSTILL_TEST_NONE,default})"});
}

TEST(Interpolate, AVariableThatIsNoTextIsRefused) {
  const std::pair<const char*, const char*> cases[] = {{"caf\xE9", "a byte that is not UTF-8"},
                                                       {"cut \xE2\x82", "a byte that is not UTF-8"},
                                                       {"\x1b[2J", "a control character"},
                                                       {"value\r", "a control character"}};
  for (const auto& [value, fault] : cases) {
    ASSERT_EQ(setenv("DRYSTILL_TEST_VALUE", value, 1), 0);
    EXPECT_EQ(expand("a: 1\nb: x${env:DRYSTILL_TEST_VALUE}\n").errors,
              std::vector<std::string>{"x.yaml:2:4: the environment variable 'DRYSTILL_TEST_VALUE' holds " +
                                       std::string(fault) + ", expected UTF-8 text; set it to such a text"});
  }
  ASSERT_EQ(setenv("DRYSTILL_TEST_VALUE", "\tcaf\xC3\xA9\n\tbar", 1), 0);
  EXPECT_TRUE(expand("a: ${env:DRYSTILL_TEST_VALUE}\n").errors.empty());
}

TEST(Interpolate, AnUnsetVariableSaysWhatTheFileSaysOfIt) {
  ASSERT_EQ(setenv("DRYSTILL_TEST_VALUE", "7", 1), 0);
  ASSERT_EQ(unsetenv("DRYSTILL_TEST_NONE"), 0);
  EXPECT_EQ(expand("a: \"${env:DRYSTILL_TEST_VALUE,?see there}\"\n").yaml, "a: \"7\"\n");
  EXPECT_EQ(
      expand("a: \"${env:DRYSTILL_TEST_NONE,?see there}\"\n").errors,
      std::vector<std::string>{"x.yaml:1:4: the environment variable 'DRYSTILL_TEST_NONE' is not set; see there"});
}

TEST(Interpolate, CirclesNameTheirChain) {
  EXPECT_EQ(expand("a: ${b}\nb: ${c}\nc: ${a}\n").errors[0], "x.yaml:3:4: '${a}' refers to itself: a -> b -> c -> a");
  EXPECT_EQ(expand("a: ${a}\n").errors[0], "x.yaml:1:4: '${a}' refers to itself: a -> a");
  EXPECT_EQ(expand("a:\n  b: ${a}\n").errors[0], "x.yaml:2:6: '${a}' refers to itself: a -> a.b -> a");
}

TEST(Interpolate, EveryWrongReferenceIsReported) {
  const std::vector<std::string> expected = {
      "x.yaml:1:4: '${nowhere.x}' names a key that is not set",
      "x.yaml:2:4: '${' without '}' in '${open'",
      "x.yaml:3:4: '${a b..}' is not a place like ${a.b[0].c}",
      "x.yaml:4:4: '${list}' stands inside text, so it must name a single value, not a list",
  };
  EXPECT_EQ(expand("a: ${nowhere.x}\nb: ${open\nc: ${a b..}\nd: x${list}\nlist: [1]\n").errors, expected);
}

TEST(Interpolate, DoublingTextIsStopped) {
  std::string text = "a0: 0123456789\n";
  for (int i = 1; i < 40; ++i) {
    const std::string last = "${a" + std::to_string(i - 1) + "}";
    text += "a" + std::to_string(i) + ": " + last + last + "\n";
  }
  const auto expanded = expand(text);
  ASSERT_FALSE(expanded.errors.empty());
  EXPECT_NE(expanded.errors[0].find("expand to more than 1 MiB of text"), std::string::npos);
}

TEST(Interpolate, DoublingListsIsStopped) {
  std::string text = "a0: [1, 2, 3]\n";
  for (int i = 1; i < 40; ++i) {
    const std::string last = "'${a" + std::to_string(i - 1) + "}'";
    text += "a" + std::to_string(i) + ": [" + last + ", " + last + "]\n";
  }
  const auto expanded = expand(text);
  ASSERT_FALSE(expanded.errors.empty());
  EXPECT_NE(expanded.errors[0].find("more than any configuration needs"), std::string::npos);
}

TEST(Interpolate, ALongChainIsStopped) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "a" + std::to_string(i) + ": ${a" + std::to_string(i + 1) + "}\n";
  const auto expanded = expand(text);
  ASSERT_FALSE(expanded.errors.empty());
  EXPECT_NE(expanded.errors[0].find("references nest more than 64 levels deep"), std::string::npos);
}

}  // namespace
}  // namespace drystill::configs
