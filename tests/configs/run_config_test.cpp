#include "configs/run_config.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/error.h"
#include "tests/support/temporary_folder.h"

namespace drystill::configs {
namespace {

namespace fs = std::filesystem;
using distiller::DistillClassifier;
using distiller::TrainClassifier;

// The keys that have no default.
constexpr const char* kTrain = "task: train_classifier\nmodel: {architecture: lenet5}\n";
constexpr const char* kDistill =
    "task: distill_classifier\nteacher: {checkpoint: lenet5.pth}\nstudent: {architecture: resnet8}\n";

class RunConfigFile : public ::testing::Test {
 protected:
  fs::path write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name) << text;
    return folder_ / name;
  }
  drystill::testing::TemporaryFolder folder_;
};

TEST_F(RunConfigFile, TheTaskChoosesTheOptions) {
  const auto train = load_run_config(write("train.yaml", std::string(kTrain) + "batch: 32\nseed: 3\n"));
  EXPECT_EQ(task_name(train.config), "train_classifier");
  EXPECT_EQ(std::get<TrainClassifier>(train.config).batch, 32);
  EXPECT_EQ(std::get<TrainClassifier>(train.config).run.seed, 3);  // a run's own keys stand at the top
  const auto distill = load_run_config(write("distill.yaml", kDistill), {"loss.kind=l1"});
  EXPECT_EQ(std::get<DistillClassifier>(distill.config).loss.kind, distiller::LossKind::kL1);
}

TEST_F(RunConfigFile, APartWithoutATaskServesAnyTask) {
  write("part.yaml", "batch: 32\noptimizer: {method: adam, beta1: 0.5}\n");
  for (const char* task : {kTrain, kDistill}) {
    const auto loaded = load_run_config(write("main.yaml", std::string("base: part.yaml\n") + task));
    EXPECT_EQ(task_name(loaded.config), task == kTrain ? "train_classifier" : "distill_classifier");
    std::visit([](const auto& options) { EXPECT_EQ(options.batch, 32); }, loaded.config);
    std::visit([](const auto& options) { EXPECT_EQ(std::get<AdamOptions>(options.optimizer).beta1, 0.5); },
               loaded.config);
  }
}

std::string error_of(const fs::path& file) {
  try {
    load_run_config(file);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

TEST_F(RunConfigFile, OneMistakeIsOneLine) {
  ASSERT_EQ(unsetenv("DRYSTILL_TEST_NONE"), 0);
  const auto file =
      write("a.yaml", "task: distill_language_model\nteacher: {model: \"${env:DRYSTILL_TEST_NONE,?see there}\"}\n");
  EXPECT_EQ(error_of(file),
            file.string() + ":2:18: the environment variable 'DRYSTILL_TEST_NONE' is not set; see there");
}

TEST_F(RunConfigFile, AViewsTemplateIsNamedWhereItIsWritten) {
  const auto file =
      write("a.yaml", "task: distill_language_model\nteacher: {model: x}\nteacher_view:\n  user: \"Q: {prompt\"\n");
  EXPECT_EQ(error_of(file), file.string() +
                                ":4:9: 'teacher_view.user' is no template: '{' at character 4 opens no name; write "
                                "{name}, or {{ for a brace");
}

TEST_F(RunConfigFile, TheTaskMustBeNamed) {
  const auto file = write("part.yaml", "batch: 32\n");
  try {
    load_run_config(file);
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_EQ(error.what(), file.string() +
                                ":1:1: missing key 'task': one of distill_classifier, train_classifier, "
                                "distill_language_model, train_language_model");
  }
}

TEST_F(RunConfigFile, ShownConfigurationsLoadAsTheSame) {
  const auto loaded =
      load_run_config(write("a.yaml",
                            "task: distill_classifier\nseed: 4\nname: 'x ${y}'\n"
                            "curriculum: {method: constant}\n"
                            "evaluation: {format: idx, test_images: a.gz}\n"
                            "student: {architecture: resnet8}\nteacher: {checkpoint: t.pth, architecture: lenet5}\n"),
                      {"name='$${z}'"});
  for (const ShowOptions options : {ShowOptions{}, ShowOptions{.minimal = true}, ShowOptions{.origins = true},
                                    ShowOptions{.minimal = true, .origins = true}}) {
    const auto again = load_run_config(write("b.yaml", show_config(loaded, options)));
    EXPECT_TRUE(again.config == loaded.config) << show_config(loaded, options);
  }
  EXPECT_TRUE(load_run_config(write("c.yaml", resolved_yaml(loaded.config))).config == loaded.config);
  const auto json = nlohmann::json::parse(show_config(loaded, {.format = ShowFormat::kJson}));
  EXPECT_EQ(json["task"], "distill_classifier");
  EXPECT_EQ(json["curriculum"]["method"], "constant");
}

TEST_F(RunConfigFile, MinimalNamesTheTask) {
  const auto loaded = load_run_config(write("a.yaml", std::string(kTrain) + "seed: 4\n"));
  EXPECT_EQ(show_config(loaded, {.minimal = true}),
            "task: train_classifier\nseed: 4\nmodel:\n  architecture: lenet5\n");
}

TEST(RunConfig, SchemaDemandsTheTask) {
  const auto schema = nlohmann::json::parse(run_config_schema());
  ASSERT_EQ(schema["oneOf"].size(), 4U);
  for (const auto& task : schema["oneOf"]) {
    EXPECT_EQ(task["required"], nlohmann::json({"task"}));
    EXPECT_TRUE(task["properties"].contains("base"));
    EXPECT_TRUE(task["properties"].contains("seed"));
  }
  EXPECT_NE(run_config_reference().find("### `task: train_classifier`"), std::string::npos);
}

// Every file of this repository loads or is a part: it may leave keys out, but not hold wrong ones.
TEST(RunConfig, ShippedFilesLoad) {
  for (const auto& [folder, expected] : {std::pair{"vision", 3}, std::pair{"language/worlds", 8}}) {
    int loaded = 0;
    for (const auto& file : fs::recursive_directory_iterator(fs::path(DRYSTILL_SOURCE_DIR) / "configs" / folder)) {
      if (file.path().extension() != ".yaml") continue;
      try {
        load_run_config(file.path());
        ++loaded;
      } catch (const ConfigError& error) {
        std::istringstream lines(error.what());
        for (std::string line; std::getline(lines, line);) {
          const bool is_missing = line.find(": missing key '") != std::string::npos ||
                                  line.find("needs an `architecture`") != std::string::npos;
          EXPECT_TRUE(is_missing) << line;
        }
      }
    }
    EXPECT_GE(loaded, expected) << folder;
  }
}

}  // namespace
}  // namespace drystill::configs
