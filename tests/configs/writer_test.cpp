#include "configs/writer.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "tests/configs/random_options.h"
#include "tests/configs/sample_options.h"

namespace drystill::configs {
namespace {

using testing::Sample;

Sample read(const std::string& text) {
  Sample sample;
  load_options_text(text, "dump.yaml", {}, option_ref(sample));
  return sample;
}

void satisfy_rules(OptimizerOptions& optimizer) {
  if (auto* sgd = std::get_if<SgdOptions>(&optimizer)) sgd->nesterov = sgd->nesterov && sgd->momentum > 0;
  if (auto* adam = std::get_if<AdamOptions>(&optimizer)) {
    for (double* decay : {&adam->beta1, &adam->beta2}) *decay = std::min(*decay, 0.999);
  }
}

// Random options that satisfy the rules over several fields.
Sample random_sample(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Sample sample;
  testing::randomise(option_ref(sample), Limits{}, random);
  if (sample.ramp.begin > sample.ramp.end) std::swap(sample.ramp.begin, sample.ramp.end);
  if (sample.second_ramp && sample.second_ramp->begin > sample.second_ramp->end) {
    std::swap(sample.second_ramp->begin, sample.second_ramp->end);
  }
  satisfy_rules(sample.optimizer);
  if (sample.fine_tuning) satisfy_rules(*sample.fine_tuning);
  for (auto& stage : sample.stages) satisfy_rules(stage.optimizer);
  return sample;
}

TEST(Writer, WhatIsWrittenReadsBackEqual) {
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    const Sample sample = random_sample(seed);
    for (const bool minimal : {false, true}) {
      const std::string text = to_yaml(option_view(sample), {.minimal = minimal});
      try {
        ASSERT_EQ(read(text), sample) << "seed " << seed << ", minimal " << minimal << "\n" << text;
      } catch (const ConfigError& error) {
        FAIL() << "seed " << seed << ", minimal " << minimal << ": " << error.what() << "\n" << text;
      }
    }
  }
}

TEST(Writer, OriginCommentsDoNotChangeTheValues) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const Sample sample = random_sample(seed);
    const Origins origins;
    ASSERT_EQ(read(to_yaml(option_view(sample), {.origins = &origins})), sample) << "seed " << seed;
  }
}

TEST(Writer, EqualAgreesWithTheStructsOwnEquality) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const Sample a = random_sample(seed);
    const Sample b = random_sample(seed + 1);
    EXPECT_TRUE(equal(option_view(a), option_view(a)));
    EXPECT_EQ(equal(option_view(a), option_view(b)), a == b);
  }
}

TEST(Writer, MinimalHoldsOnlyWhatDiffers) {
  Sample sample;
  EXPECT_EQ(to_yaml(option_view(sample), {.minimal = true}), "{}\n");
  sample.seed = 3;
  sample.ramp.end = 0.5;
  sample.optimizer = SgdOptions{.momentum = 0.5};
  sample.tags = {"a", "1"};
  sample.stages = {{.name = "warm"}};
  sample.limit = 2;
  EXPECT_EQ(to_yaml(option_view(sample), {.minimal = true}), R"(seed: 3
ramp:
  end: 0.5
optimizer:
  method: sgd
  momentum: 0.5
tags: [a, "1"]
stages:
  -
    name: warm
    epochs: 1
    optimizer:
      method: adam
      learning_rate: 0.001
      beta1: 0.9
      beta2: 0.999
      epsilon: 1e-08
      weight_decay: 0
      decoupled: false
limit: 2
)");
}

TEST(Writer, OriginsStandBehindTheValues) {
  Sample sample;
  Origins origins;
  load_options_text("seed: 1\noptimizer:\n  beta1: 0.5\n", "x.yaml", {"name=b"}, option_ref(sample), &origins);
  EXPECT_EQ(to_yaml(option_ref(sample), {.minimal = true, .origins = &origins}), R"(seed: 1  # x.yaml:1:7
name: b  # --set #1
optimizer:
  method: adam  # default
  beta1: 0.5  # x.yaml:3:10
)");
}

TEST(Writer, Json) {
  Sample sample;
  sample.cap = std::numeric_limits<double>::infinity();
  sample.stages = {{.name = "a \"b\""}};
  sample.limit = 4;
  const auto json = nlohmann::json::parse(to_json(option_view(sample)));
  EXPECT_EQ(json["verbose"], false);
  EXPECT_EQ(json["seed"], 0);
  EXPECT_EQ(json["cap"], ".inf");
  EXPECT_EQ(json["pacing"], "soft");
  EXPECT_EQ(json["optimizer"]["method"], "adam");
  EXPECT_EQ(json["optimizer"]["beta1"], 0.9);
  EXPECT_EQ(json["stages"][0]["name"], "a \"b\"");
  EXPECT_EQ(json["milestones"], nlohmann::json({0.5, 0.75}));
  EXPECT_EQ(json["limit"], 4);
  EXPECT_TRUE(json["second_ramp"].is_null());
}

}  // namespace
}  // namespace drystill::configs
