#include "configs/reader.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/configs/sample_options.h"

namespace drystill::configs {
namespace {

using testing::Sample;

Sample read(std::string_view text) {
  Sample sample;
  load_options_text(text, "x.yaml", {}, option_ref(sample));
  return sample;
}

std::string error_of(std::string_view text) {
  try {
    read(text);
  } catch (const ConfigError& error) {
    EXPECT_EQ(error.code(), ExitCode::kUsage);
    return error.what();
  }
  return "";
}

TEST(Reader, NothingGivenKeepsTheDefaults) {
  EXPECT_EQ(read(""), Sample{});
  EXPECT_EQ(read("ramp:\noptimizer:\n"), Sample{});
}

TEST(Reader, EveryKindOfMember) {
  const Sample sample = read(R"(
verbose: true
seed: 1e5
rate: 1e-4
cap: 1e300
name: 007
device: cuda
pacing: none
ramp: {begin: 0, end: 1}
optimizer: {method: sgd, nesterov: true}
milestones: [0.1, 0.9]
tags: [a, "b c", 3]
stages:
  - name: warm
    optimizer: {beta2: 0.9}
  - {name: main, epochs: 20}
limit: 3
second_ramp: {end: 0.5}
fine_tuning: {method: adam, decoupled: true}
)");
  Sample expected;
  expected.verbose = true;
  expected.seed = 100000;
  expected.rate = 1e-4;
  expected.cap = 1e300;
  expected.name = "007";
  expected.device = "cuda";
  expected.pacing = testing::Pacing::kNone;
  expected.ramp = {0, 1};
  expected.optimizer = SgdOptions{.nesterov = true};
  expected.milestones = {0.1, 0.9};
  expected.tags = {"a", "b c", "3"};
  expected.stages = {{"warm", 1, AdamOptions{.beta2 = 0.9}}, {"main", 20, AdamOptions{}}};
  expected.limit = 3;
  expected.second_ramp = testing::Ramp{0.25, 0.5};
  expected.fine_tuning = AdamOptions{.decoupled = true};
  EXPECT_EQ(sample, expected);
}

struct WrongCase {
  const char* text;
  const char* error;
};

class Wrong : public ::testing::TestWithParam<WrongCase> {};

TEST_P(Wrong, SaysWhereAndWhat) {
  EXPECT_EQ(error_of(GetParam().text), GetParam().error);
}

INSTANTIATE_TEST_SUITE_P(
    Reader, Wrong,
    ::testing::Values(
        WrongCase{
            "a: 1\n",
            "x.yaml:1:1: unknown key 'a' (known: verbose, seed, rate, cap, name, device, pacing, ramp, optimizer, "
            "milestones, tags, stages, limit, second_ramp, fine_tuning)"},
        WrongCase{"optimizer:\n  lerning_rate: 1\n",
                  "x.yaml:2:3: unknown key 'lerning_rate' in 'optimizer' (did you mean 'learning_rate'?)"},
        WrongCase{"optimizer: {metod: sgd}\n",
                  "x.yaml:1:13: unknown key 'metod' in 'optimizer' (did you mean 'method'?)"},
        WrongCase{"optimizer: {method: adam, momentum: 0.5}\n",
                  "x.yaml:1:27: unknown key 'momentum' in 'optimizer' (known: method, learning_rate, beta1, beta2, "
                  "epsilon, weight_decay, decoupled)"},
        WrongCase{"verbose: yes\n", "x.yaml:1:10: 'verbose' must be true or false, got 'yes' (write true)"},
        WrongCase{"seed: abc\n", "x.yaml:1:7: 'seed' must be an integer, got 'abc'"},
        WrongCase{"seed: 1.5\n", "x.yaml:1:7: 'seed' must be an integer, got '1.5'"},
        WrongCase{"seed: 1_000\n", "x.yaml:1:7: 'seed' must be an integer, got '1_000' (write '1000')"},
        WrongCase{"seed: '5'\n", "x.yaml:1:7: 'seed' must be an integer, got the string '5' (write it without quotes)"},
        WrongCase{"seed: [1]\n", "x.yaml:1:7: 'seed' must be an integer, got a list"},
        WrongCase{"seed:\n", "x.yaml:1:1: 'seed' must be an integer, got nothing"},
        WrongCase{"seed: -1\n", "x.yaml:1:7: 'seed' must be at least 0, got -1"},
        WrongCase{"rate: 0\n", "x.yaml:1:7: 'rate' must be above 0, got 0"},
        WrongCase{"rate: .nan\n", "x.yaml:1:7: 'rate' must be a number, got '.nan'"},
        WrongCase{"ramp:\n  begin: 1.5\n", "x.yaml:2:10: 'ramp.begin' must be between 0 and 1, got 1.5"},
        WrongCase{"ramp: 5\n", "x.yaml:1:7: 'ramp' must be a mapping, got '5'"},
        WrongCase{"pacing: hrad\n",
                  "x.yaml:1:9: 'pacing' must be one of none, hard, soft, got 'hrad' (did you mean 'hard'?)"},
        WrongCase{"device: quantum\n", "x.yaml:1:9: 'device' must be one of auto, cpu, cuda, got 'quantum'"},
        WrongCase{"device: cudda\n",
                  "x.yaml:1:9: 'device' must be one of auto, cpu, cuda, got 'cudda' (did you mean 'cuda'?)"},
        WrongCase{"name: {a: 1}\n", "x.yaml:1:7: 'name' must be a string, got a mapping"},
        WrongCase{"optimizer: {method: adamm}\n",
                  "x.yaml:1:21: 'optimizer.method' must be one of sgd, adam, got 'adamm' (did you mean 'adam'?)"},
        WrongCase{"optimizer: adam\n",
                  "x.yaml:1:12: 'optimizer' must be a mapping, got 'adam' (write method: NAME in it)"},
        WrongCase{"milestones: 0.5\n", "x.yaml:1:13: 'milestones' must be a list, got '0.5' (write [a, b])"},
        WrongCase{"milestones: [0.5, 2]\n", "x.yaml:1:19: 'milestones[1]' must be between 0 and 1, got 2"},
        WrongCase{"stages:\n  - epochs: 2\n", "x.yaml:2:5: missing key 'stages[0].name': what it is called"},
        WrongCase{"stages:\n  - {name: a, epochs: 0}\n", "x.yaml:2:23: 'stages[0].epochs' must be at least 1, got 0"},
        WrongCase{"limit: 0\n", "x.yaml:1:8: 'limit' must be at least 1, got 0"},
        WrongCase{"ramp:\n  begin: 0.9\n  end: 0.1\n", "x.yaml:2:10: 'ramp.begin' must not be above 'end'"},
        WrongCase{"second_ramp:\n  end: 0.1\n", "x.yaml:2:3: 'second_ramp.begin' must not be above 'end'"}));

TEST(Diagnostics, ComeFileByFileInOrderAndOnlyOnce) {
  const auto main = std::make_shared<const std::string>("main.yaml"),
             base = std::make_shared<const std::string>("b.yaml");
  const auto set = [](int number) { return std::make_shared<const std::string>("--set #" + std::to_string(number)); };
  Diagnostics diagnostics;
  diagnostics.report({set(10), 0, 0}, "a");
  diagnostics.report({main, 3, 1}, "b");
  diagnostics.report({main, 1, 9}, "c");
  diagnostics.report({base, 7, 1}, "d");
  diagnostics.report({main, 1, 2}, "e");
  diagnostics.report({main, 1, 2}, "e");
  diagnostics.report({set(9), 0, 0}, "f");
  EXPECT_EQ(diagnostics.lines(), (std::vector<std::string>{"--set #9: f", "--set #10: a", "main.yaml:1:2: e",
                                                           "main.yaml:1:9: c", "main.yaml:3:1: b", "b.yaml:7:1: d"}));
}

TEST(Reader, AllErrorsInOnePass) {
  EXPECT_EQ(error_of("sed: 1\nrate: fast\nrate: 2\nname: ${nowhere}\nramp:\n  begin: 2\n  ent: 1\nlimit: []\n"),
            "x.yaml:1:1: unknown key 'sed' (did you mean 'seed'?)\n"
            "x.yaml:2:7: 'rate' must be a number, got 'fast'\n"
            "x.yaml:3:1: duplicate key 'rate', first at x.yaml:2:1\n"
            "x.yaml:4:7: '${nowhere}' names a key that is not set\n"
            "x.yaml:6:10: 'ramp.begin' must be between 0 and 1, got 2\n"
            "x.yaml:7:3: unknown key 'ent' in 'ramp' (did you mean 'end'?)\n"
            "x.yaml:8:8: 'limit' must be an integer, got a list");
}

struct Outer {
  testing::Stage stage;
  template <class Field>
  void visit(Field&& field) {
    field("stage", stage, "a struct with a required key");
  }
};

TEST(Reader, RequiredKeysOfAbsentMappingsCount) {
  Outer outer;
  try {
    load_options_text("", "x.yaml", {}, option_ref(outer));
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_STREQ(error.what(), "x.yaml:1:1: missing key 'stage.name': what it is called");
  }
}

TEST(Reader, NullEmptiesAnOptional) {
  Sample sample;
  sample.limit = 5;
  load_options_text("limit: null\n", "x.yaml", {}, option_ref(sample));
  EXPECT_FALSE(sample.limit);
}

TEST(Reader, RemembersOrigins) {
  Sample sample;
  Origins origins;
  load_options_text("seed: 1\nstages:\n  - name: a\n", "x.yaml", {"rate=2", "optimizer.method=sgd"}, option_ref(sample),
                    &origins);
  EXPECT_EQ(origins.at("seed").text(), "x.yaml:1:7");
  EXPECT_EQ(origins.at("stages[0].name").text(), "x.yaml:3:11");
  EXPECT_EQ(origins.at("rate").text(), "--set #1");
  EXPECT_EQ(origins.at("optimizer.method").text(), "--set #2");
  EXPECT_FALSE(origins.contains("cap"));
}

TEST(Reader, ManyErrorsAreCutShort) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "unknown" + std::to_string(i) + ": 1\n";
  const std::string error = error_of(text);
  EXPECT_LT(error.size(), 20000U);
  EXPECT_TRUE(error.ends_with("\n... and 950 more errors"));
}

}  // namespace
}  // namespace drystill::configs
