#include "configs/schema.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/configs/sample_options.h"

namespace drystill::configs {
namespace {

using nlohmann::json;
using testing::Sample;

json sample_schema() {
  const Sample sample;
  return json::parse(json_schema(option_view(sample), "Sample"));
}

TEST(Schema, Head) {
  const json schema = sample_schema();
  EXPECT_EQ(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
  EXPECT_EQ(schema["title"], "Sample");
  EXPECT_EQ(schema["type"], "object");
  EXPECT_EQ(schema["additionalProperties"], false);
  EXPECT_TRUE(schema["properties"].contains("base"));
}

TEST(Schema, ScalarsHaveTypeRangeDefaultAndDescription) {
  const json properties = sample_schema()["properties"];
  EXPECT_EQ(properties["verbose"], json::parse(R"({"type": "boolean", "description": "say more", "default": false})"));
  EXPECT_EQ(properties["seed"],
            json::parse(R"({"type": "integer", "minimum": 0, "description": "of every random stream", "default": 0})"));
  EXPECT_EQ(properties["rate"], json::parse(R"({"type": "number", "exclusiveMinimum": 0, "default": 0.1,
                                                "description": "learning rate"})"));
  EXPECT_EQ(properties["ramp"]["properties"]["end"]["maximum"], 1);
  EXPECT_EQ(properties["pacing"]["enum"], json({"none", "hard", "soft"}));
  EXPECT_EQ(properties["pacing"]["default"], "soft");
  EXPECT_EQ(properties["device"]["enum"], json({"auto", "cpu", "cuda"}));
}

TEST(Schema, ListsAndOptionals) {
  const json properties = sample_schema()["properties"];
  EXPECT_EQ(properties["milestones"]["type"], "array");
  EXPECT_EQ(properties["milestones"]["items"], json::parse(R"({"type": "number", "minimum": 0, "maximum": 1})"));
  EXPECT_EQ(properties["stages"]["items"]["required"], json({"name"}));
  EXPECT_FALSE(properties["stages"]["items"]["properties"]["name"].contains("default"));
  EXPECT_EQ(properties["limit"]["anyOf"], json::parse(R"([{"type": "integer", "minimum": 1}, {"type": "null"}])"));
}

TEST(Schema, VariantsAreOneOfWithAConstantKey) {
  const json one_of = sample_schema()["properties"]["optimizer"]["oneOf"];
  ASSERT_EQ(one_of.size(), 2U);
  EXPECT_EQ(one_of[0]["properties"]["method"]["const"], "sgd");
  EXPECT_EQ(one_of[0]["required"], json({"method"}));
  EXPECT_EQ(one_of[1]["properties"]["method"]["const"], "adam");
  EXPECT_FALSE(one_of[1].contains("required"));  // adam is the default: its key may be left out
  EXPECT_EQ(one_of[1]["properties"]["beta2"]["default"], 0.999);
}

TEST(Schema, MarkdownRows) {
  const Sample sample;
  const std::string text = markdown_reference(option_view(sample));
  for (const char* row : {"| key | type | default | meaning |\n|---|---|---|---|\n",
                          "| `seed` | integer >= 0 | `0` | of every random stream |\n",
                          "| `rate` | number > 0 | `0.1` | learning rate |\n",
                          "| `ramp.begin` | number in [0, 1] | `0.25` | where it starts |\n",
                          "| `pacing` | none, hard, soft | `soft` | weight of a loss \\| a bar |\n",
                          "| `optimizer` | method: sgd, adam | `adam` | how it learns |\n",
                          "| `optimizer.nesterov` | true, false | `false` | (method: sgd) Nesterov momentum |\n",
                          "| `stages[].name` | string | **required** | what it is called |\n",
                          "| `limit` | integer >= 1, or null | null | at most this many |\n",
                          "| `milestones` | list of number in [0, 1] | `[0.5, 0.75]` | shares of the run |\n"}) {
    EXPECT_NE(text.find(row), std::string::npos) << row << text;
  }
}

}  // namespace
}  // namespace drystill::configs
