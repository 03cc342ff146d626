#include "configs/resolve.h"

#include <gtest/gtest.h>

#include <fstream>

#include "configs/reader.h"
#include "core/error.h"
#include "tests/configs/sample_options.h"
#include "tests/support/temporary_folder.h"

namespace drystill::configs {
namespace {

using testing::Sample;

class Resolve : public ::testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << text;
  }
  Sample load(const std::string& name, const std::vector<std::string>& sets = {}) const {
    return load_options<Sample>(folder_ / name, sets);
  }
  // The error's text, with the folder's name taken out.
  std::string error_of(const std::string& name, const std::vector<std::string>& sets = {}) const {
    try {
      load(name, sets);
    } catch (const ConfigError& error) {
      std::string text = error.what();
      const std::string prefix = folder_.path().string() + "/";
      for (auto at = text.find(prefix); at != std::string::npos; at = text.find(prefix)) text.erase(at, prefix.size());
      return text;
    }
    return "";
  }

  drystill::testing::TemporaryFolder folder_;
};

TEST_F(Resolve, BasesAreRelativeToTheirFileAndLaterOnesWin) {
  write("presets/a.yaml", "base: deep/root.yaml\nseed: 1\nname: a\n");
  write("presets/deep/root.yaml", "seed: 0\nrate: 0.5\nramp: {begin: 0.1, end: 0.9}\nmilestones: [0.1, 0.2, 0.3]\n");
  write("b.yaml", "name: b\n");
  write("main.yaml", "base: [presets/a.yaml, b.yaml]\nramp: {end: 0.8}\nmilestones: [0.4]\n");
  const Sample sample = load("main.yaml");
  EXPECT_EQ(sample.seed, 1);
  EXPECT_EQ(sample.rate, 0.5);
  EXPECT_EQ(sample.name, "b");
  EXPECT_EQ(sample.ramp.begin, 0.1);  // mappings merge
  EXPECT_EQ(sample.ramp.end, 0.8);
  EXPECT_EQ(sample.milestones, std::vector<double>{0.4});  // lists are replaced
}

TEST_F(Resolve, OneFileInheritedTwiceIsNoCircle) {
  write("root.yaml", "seed: 5\n");
  write("a.yaml", "base: root.yaml\n");
  write("b.yaml", "base: root.yaml\n");
  write("main.yaml", "base: [a.yaml, b.yaml]\n");
  EXPECT_EQ(load("main.yaml").seed, 5);
}

TEST_F(Resolve, ACircleNamesItsFiles) {
  write("a.yaml", "base: sub/b.yaml\n");
  write("sub/b.yaml", "seed: 1\nbase: ../a.yaml\n");
  EXPECT_EQ(error_of("a.yaml"), "sub/b.yaml:2:7: 'base' goes round in a circle: a.yaml -> sub/b.yaml -> a.yaml");
}

TEST_F(Resolve, AFileThatNamesTooManyOthersIsRefused) {
  for (int i = 0; i < 12; ++i) {
    const std::string next = "f" + std::to_string(i + 1) + ".yaml";
    write("f" + std::to_string(i) + ".yaml", "base: [" + next + ", " + next + "]\n");
  }
  write("f12.yaml", "seed: 1\n");
  EXPECT_NE(error_of("f0.yaml").find("'base' opens more than 64 files"), std::string::npos);
}

TEST_F(Resolve, AMissingBaseIsReportedWhereItIsNamed) {
  write("main.yaml", "seed: 1\nbase:\n  - none.yaml\n  - {a: 1}\n");
  const std::string error = error_of("main.yaml");
  EXPECT_NE(error.find("main.yaml:4:5: 'base' must list file names, got a mapping"), std::string::npos) << error;
  EXPECT_NE(error.find("main.yaml:3:5: cannot read 'none.yaml': No such file or directory"), std::string::npos)
      << error;
}

TEST_F(Resolve, AssignmentsWin) {
  write("base.yaml", "seed: 1\n");
  write("main.yaml", "base: base.yaml\nseed: 2\nrate: 0.5\n");
  const Sample sample = load("main.yaml", {"seed=3", "ramp.begin=0.5", "milestones=[0.5, 1]", "name=a=b", "limit=4",
                                           "second_ramp={begin: 0, end: 1}", "seed=4"});
  EXPECT_EQ(sample.seed, 4);
  EXPECT_EQ(sample.rate, 0.5);
  EXPECT_EQ(sample.ramp.begin, 0.5);
  EXPECT_EQ(sample.milestones, (std::vector<double>{0.5, 1}));
  EXPECT_EQ(sample.name, "a=b");
  EXPECT_EQ(sample.limit, 4);
  ASSERT_TRUE(sample.second_ramp);
  EXPECT_EQ(sample.second_ramp->end, 1);
}

TEST_F(Resolve, AssignmentsReachIntoLists) {
  write("main.yaml", "stages:\n  - {name: a}\n  - {name: b, epochs: 3}\nmilestones: [0.1, 0.2]\n");
  const Sample sample =
      load("main.yaml", {"stages[1].epochs=9", "stages[0].optimizer={method: sgd}", "milestones[1]=0.3"});
  EXPECT_EQ(sample.stages[1].epochs, 9);
  EXPECT_EQ(sample.stages[1].name, "b");
  EXPECT_TRUE(std::holds_alternative<SgdOptions>(sample.stages[0].optimizer));
  EXPECT_EQ(sample.milestones[1], 0.3);
  EXPECT_EQ(error_of("main.yaml", {"stages[2].epochs=9"}),
            "--set #1: 'stages[2].epochs=9' names a place that no file holds: set the whole list instead");
}

TEST_F(Resolve, WrongAssignmentsNameTheirNumber) {
  write("main.yaml", "seed: 1\n");
  EXPECT_EQ(error_of("main.yaml", {"seed=2", "rate"}), "--set #2: expected a.b=value or a[0].b=value, got 'rate'");
  EXPECT_EQ(error_of("main.yaml", {"a..b=1"}), "--set #1: expected a.b=value or a[0].b=value, got 'a..b=1'");
  EXPECT_EQ(error_of("main.yaml", {"ramp.begn=1"}), "--set #1: unknown key 'begn' in 'ramp' (did you mean 'begin'?)");
  EXPECT_EQ(error_of("main.yaml", {"seed.x=1"}), "--set #1: 'seed' must be an integer, got a mapping");
  EXPECT_EQ(error_of("main.yaml", {"seed='1\n"}), "--set #1: a quote opens here and is never closed");
  EXPECT_EQ(error_of("main.yaml", {"name="}),
            "--set #1: 'name' must be a string, got nothing (write '' for an empty string)");
}

TEST_F(Resolve, AnotherMethodDropsTheOptionsOfTheOldOne) {
  write("sgd.yaml", "optimizer: {method: sgd, momentum: 0.5, learning_rate: 0.3}\n");
  write("adam.yaml", "base: sgd.yaml\noptimizer: {method: adam, beta1: 0.8}\n");
  const auto adam = std::get<AdamOptions>(load("adam.yaml").optimizer);
  EXPECT_EQ(adam.beta1, 0.8);
  EXPECT_EQ(adam.learning_rate, AdamOptions{}.learning_rate);  // 0.3 was SGD's

  // The same method, named again or not: keys merge.
  write("again.yaml", "base: sgd.yaml\noptimizer: {method: sgd, nesterov: true}\n");
  write("silent.yaml", "base: sgd.yaml\noptimizer: {nesterov: true}\n");
  for (const char* name : {"again.yaml", "silent.yaml"}) {
    const auto sgd = std::get<SgdOptions>(load(name).optimizer);
    EXPECT_EQ(sgd.momentum, 0.5);
    EXPECT_TRUE(sgd.nesterov);
  }
}

TEST_F(Resolve, TheDefaultMethodCountsAsNamed) {
  write("adam.yaml", "optimizer: {beta1: 0.8}\n");  // Sample's default is adam
  EXPECT_EQ(std::get<SgdOptions>(load("adam.yaml", {"optimizer.method=sgd"}).optimizer), SgdOptions{});
  EXPECT_EQ(std::get<AdamOptions>(load("adam.yaml", {"optimizer.method=adam"}).optimizer).beta1, 0.8);
}

TEST_F(Resolve, AssignmentsMayNameTheMethodLast) {
  write("main.yaml", "optimizer: {method: adam, beta1: 0.8}\n");
  const Sample sample = load("main.yaml", {"optimizer.momentum=0.5", "optimizer.method=sgd"});
  EXPECT_EQ(std::get<SgdOptions>(sample.optimizer).momentum, 0.5);
}

TEST_F(Resolve, VariantsInsideOptionalsSwitchToo) {
  write("base.yaml", "fine_tuning: {method: adam, beta1: 0.8}\n");
  write("main.yaml", "base: base.yaml\nfine_tuning: {method: sgd}\n");
  EXPECT_EQ(std::get<SgdOptions>(load("main.yaml").fine_tuning.value()), SgdOptions{});
}

}  // namespace
}  // namespace drystill::configs
