#include "configs/yaml_document.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temporary_folder.h"

namespace drystill::configs {
namespace {

std::vector<std::string> errors_of(std::string_view text) {
  Diagnostics diagnostics;
  parse_yaml(text, "x.yaml", diagnostics);
  return diagnostics.lines();
}

Node parsed(std::string_view text) {
  Diagnostics diagnostics;
  auto node = parse_yaml(text, "x.yaml", diagnostics);
  EXPECT_EQ(diagnostics.lines(), std::vector<std::string>{});
  return node.value_or(Node{});
}

TEST(YamlDocument, KeepsWhereKeysAndValuesStand) {
  const Node root = parsed("a: 1\nb:\n  c: [x, 'y']\n  d:\n");
  ASSERT_EQ(root.entries.size(), 2U);
  EXPECT_EQ(root.entries[0].key_origin.text(), "x.yaml:1:1");
  EXPECT_EQ(root.entries[0].value.origin.text(), "x.yaml:1:4");
  const Node& b = root.entries[1].value;
  ASSERT_EQ(b.entries.size(), 2U);
  EXPECT_EQ(b.entries[0].key_origin.text(), "x.yaml:3:3");
  const Node& list = b.entries[0].value;
  ASSERT_EQ(list.items.size(), 2U);
  EXPECT_EQ(list.items[0].origin.text(), "x.yaml:3:7");
  EXPECT_FALSE(list.items[0].is_quoted);
  EXPECT_EQ(list.items[1].origin.text(), "x.yaml:3:10");
  EXPECT_TRUE(list.items[1].is_quoted);
  // A missing value is at its key, not at the token after it.
  EXPECT_EQ(b.entries[1].value.kind, Node::Kind::kNull);
  EXPECT_EQ(b.entries[1].value.origin.text(), "x.yaml:4:3");
}

TEST(YamlDocument, EmptyTextIsNothing) {
  EXPECT_EQ(parsed("").kind, Node::Kind::kNull);
  EXPECT_EQ(parsed("# only a comment\n").kind, Node::Kind::kNull);
  EXPECT_EQ(parsed("---\n").kind, Node::Kind::kNull);
}

TEST(YamlDocument, ByteOrderMarkAndCarriageReturns) {
  const Node root = parsed(
      "\xEF\xBB\xBF"
      "a: 1\r\nb: 2\r\n");
  ASSERT_EQ(root.entries.size(), 2U);
  EXPECT_EQ(root.entries[0].key, "a");
  EXPECT_EQ(root.entries[0].key_origin.text(), "x.yaml:1:1");
  EXPECT_EQ(root.entries[1].value.text, "2");
}

TEST(YamlDocument, AliasesCopy) {
  const Node root = parsed("a: &x {p: 1}\nb: *x\n");
  const Entry* b = root.find("b");
  ASSERT_NE(b, nullptr);
  ASSERT_EQ(b->value.entries.size(), 1U);
  EXPECT_EQ(b->value.entries[0].value.text, "1");
  EXPECT_EQ(b->value.entries[0].value.origin.text(), "x.yaml:1:11");  // where it is written
}

TEST(YamlDocument, ReportsEveryDuplicateKey) {
  const std::vector<std::string> expected = {"x.yaml:2:1: duplicate key 'a', first at x.yaml:1:1",
                                             "x.yaml:5:3: duplicate key 'c', first at x.yaml:4:3"};
  EXPECT_EQ(errors_of("a: 1\na: 2\nb:\n  c: 1\n  c: 2\n"), expected);
}

struct RefusedCase {
  const char* text;
  const char* error;  // how the one line begins
};

class Refused : public ::testing::TestWithParam<RefusedCase> {};

TEST_P(Refused, SaysWhere) {
  const auto errors = errors_of(GetParam().text);
  ASSERT_EQ(errors.size(), 1U);
  EXPECT_EQ(errors[0].substr(0, std::string(GetParam().error).size()), GetParam().error);
}

INSTANTIATE_TEST_SUITE_P(
    Yaml, Refused,
    ::testing::Values(RefusedCase{"a: &x {p: 1}\nb:\n  <<: *x\n", "x.yaml:3:3: the merge key '<<' is not supported"},
                      RefusedCase{"a: 1\n\tb: 2\n", "x.yaml:2:1: a tab in the indentation"},
                      RefusedCase{"a:\n  - !!python/object x\n",
                                  "x.yaml:2:5: the tag 'tag:yaml.org,2002:python/object'"},
                      RefusedCase{"a: 1\n---\nb: 2\n", "x.yaml:2:1: a second document"},
                      RefusedCase{"a: \xFF\n", "x.yaml:1:4: a byte that is not UTF-8"},
                      RefusedCase{"a: \xC0\xAF\n", "x.yaml:1:4: a byte that is not UTF-8"},      // overlong
                      RefusedCase{"a: \xED\xA0\x80\n", "x.yaml:1:4: a byte that is not UTF-8"},  // surrogate
                      RefusedCase{"a: \x01\n", "x.yaml:1:4: a control character"},
                      RefusedCase{"a: &x [*x]\n", "x.yaml:1:8: an alias inside its own anchor"},
                      RefusedCase{"a: *nowhere\n", "x.yaml:1:4: not valid YAML: the referenced anchor is not defined"},
                      RefusedCase{"? [1, 2]\n: 3\n", "x.yaml:1:3: a key must be a word, got a list"},
                      RefusedCase{"~: 3\n", "x.yaml:1:1: a key must be a word, got nothing"},
                      RefusedCase{"a: [1, 2\nb: 3\n", "x.yaml:2:2: not valid YAML"},
                      RefusedCase{"a: 'op''en\n", "x.yaml:1:4: a quote opens here and is never closed"},
                      RefusedCase{"a: 1\nb: [&n \"op\\\"en\n", "x.yaml:2:5: a quote opens here and is never closed"},
                      RefusedCase{"a: b: c\n", "x.yaml:1:5: not valid YAML"}));

TEST(YamlDocument, NulBytesAreNotText) {
  const auto errors = errors_of(std::string_view("a: \0b\n", 6));
  ASSERT_EQ(errors.size(), 1U);
  EXPECT_EQ(errors[0], "x.yaml:1:4: a control character: this is not a text file");
}

TEST(YamlDocument, TopLevelOfAFileIsAMapping) {
  const drystill::testing::TemporaryFolder folder;
  std::ofstream(folder / "list.yaml") << "- 1\n";
  Diagnostics diagnostics;
  EXPECT_FALSE(load_yaml_file(folder / "list.yaml", {}, diagnostics));
  EXPECT_FALSE(load_yaml_file(folder / "none.yaml", {}, diagnostics));
  EXPECT_FALSE(load_yaml_file(folder.path(), {}, diagnostics));
  ASSERT_EQ(diagnostics.lines().size(), 3U);
  EXPECT_NE(diagnostics.lines()[0].find("list.yaml:1:1: expected a mapping"), std::string::npos);
  EXPECT_NE(diagnostics.lines()[1].find("No such file"), std::string::npos);
  EXPECT_NE(diagnostics.lines()[2].find("is a folder"), std::string::npos);
}

}  // namespace
}  // namespace drystill::configs
