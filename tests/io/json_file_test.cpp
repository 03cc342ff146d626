#include "io/json_file.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "tests/io/test_files.h"
#include "tests/support/temporary_folder.h"

namespace drystill::io {
namespace {

using testing::TemporaryFolder;

std::string refusal(const std::string& text, const JsonLimits& limits = {}) {
  const TemporaryFolder folder;
  return input_error([&] { read_json_object(write_bytes(folder / "a.json", text), limits); });
}

TEST(JsonFile, ReadsAnObject) {
  const TemporaryFolder folder;
  const std::string text = R"({"a": {"b": [1, {"c": 2}]}, "b": {"b": null}})";  // one name at several levels
  EXPECT_EQ(read_json_object(write_bytes(folder / "a.json", text)).at("a").at("b").at(1).at("c"), 2);
}

TEST(JsonFile, RefusesAnythingElseByName) {
  for (const auto& [text, words] : {std::pair{"", "is not JSON"},
                                    {"{\"a\": ", "is not JSON"},
                                    {"{\"\xff\": 1}", "is not JSON"},
                                    {"[{}]", "is not a JSON object"},
                                    {"3", "is not a JSON object"},
                                    {R"({"a": 1, "a": 1})", "names 'a' twice"},
                                    {R"({"x": [{"a": 1}, {"b": {"a": 1}, "b": 2}]})", "names 'b' twice"}}) {
    const std::string message = refusal(text);
    EXPECT_NE(message.find(words), std::string::npos) << text << ": " << message;
    EXPECT_NE(message.find("a.json"), std::string::npos) << message;
  }
}

TEST(JsonFile, BoundsSizeAndDepth) {
  const TemporaryFolder folder;
  EXPECT_NO_THROW(read_json_object(write_bytes(folder / "a.json", R"({"a": [[1]]})"), {.depth = 3}));
  EXPECT_NE(refusal(R"({"a": [[[1]]]})", {.depth = 2}).find("nests too deeply"), std::string::npos);
  EXPECT_NE(refusal(std::string(1'000'000, '[')).find("nests too deeply"), std::string::npos);
  EXPECT_NE(refusal(R"({"a": 12345})", {.bytes = 11}).find("12 bytes, expected at most 11"), std::string::npos);
}

}  // namespace
}  // namespace drystill::io
