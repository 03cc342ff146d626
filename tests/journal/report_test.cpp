#include "journal/report.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "core/error.h"
#include "journal/journal.h"
#include "tests/support/temporary_folder.h"

namespace drystill::journal {
namespace {

// A white 1 x 1 grey picture, its header as far as the report reads it.
std::string small_png() {
  using namespace std::string_literals;
  return "\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0\0\0\0\0"s;
}

class ReportTest : public ::testing::Test {
 protected:
  RunRecord make_run(const std::string& name, const std::string& config, double accuracy,
                     RunState state = RunState::kFinished) {
    write_run(name, config, accuracy, state);
    return load_run(base_ / name);  // after the folder's lock is gone, as a reader finds it
  }

  void write_run(const std::string& name, const std::string& config, double accuracy, RunState state) {
    double now = 0;
    auto folder =
        RunFolder::create(base_ / name, OnExists::kError,
                          {.config = config, .command = "drystill distill <b>&", .git_revision = {}, .versions = {}});
    Journal journal(folder, {.tensorboard = false, .clock = [&now] { return now; }});
    for (std::int64_t step = 0; step <= 100; step += 10) {
      now += 3;
      journal.record(step, "train", {{"loss", 1.0}});
      journal.record(step, "evaluation",
                     {{"accuracy", step == 50 ? 0.95 : accuracy}, {"agreement", 0.9}, {"loyalty", 0.8}});
      journal.sample_image(step, "grid", small_png());
    }
    folder.set_status(state, 100);
  }

  const testing::TemporaryFolder base_;
};

TEST_F(ReportTest, ALanguageModelsColumnsAreThoseItHas) {
  std::vector<RunRecord> runs;
  for (const auto& [name, kl] : {std::pair("a", 1.0), std::pair("b", 1.5)}) {
    auto folder = RunFolder::create(base_ / name, OnExists::kError,
                                    {.config = "seed: 1\n", .command = {}, .git_revision = {}, .versions = {}});
    Journal journal(folder, {.tensorboard = false, .clock = [] { return 0.0; }});
    journal.record(10, "evaluation",
                   {{"kl", kl}, {"agreement", 0.5}, {"perplexity", 30.}, {"teacher_perplexity", 20.}});
    folder.set_status(RunState::kFinished, 10);
  }
  for (const char* name : {"a", "b"}) runs.push_back(load_run(base_ / name));
  const auto json = nlohmann::json::parse(summary_table(runs).to_json());
  EXPECT_EQ(json[1]["KL (last)"], 1.5);
  EXPECT_EQ(json[1]["perplexity"], 30);
  EXPECT_EQ(json[1]["teacher perplexity"], 20);
  EXPECT_FALSE(json[1].contains("accuracy (last)"));
  const auto seeds = nlohmann::json::parse(seed_table(runs).to_json());
  EXPECT_EQ(seeds[0]["KL (last), mean"], 1.25);
  EXPECT_FALSE(seeds[0].contains("loyalty, mean"));
}

TEST_F(ReportTest, SummaryReportsTheLastStepAndLabelsTheBest) {
  const auto json = nlohmann::json::parse(summary_table({make_run("a", "seed: 3\n", 0.5)}).to_json());
  ASSERT_EQ(json.size(), 1u);
  EXPECT_EQ(json[0]["accuracy (last)"], 0.5);
  EXPECT_EQ(json[0]["best (chosen on real test data)"], 0.95);
  EXPECT_NEAR(json[0]["mean over run"].get<double>(), (10 * 0.5 + 0.95) / 11, 1e-12);
  EXPECT_EQ(json[0]["seed"], "3");
  EXPECT_EQ(json[0]["state"], "finished");
  EXPECT_EQ(json[0]["steps"], 100);
  EXPECT_EQ(json[0]["time"], "33s");
  EXPECT_FALSE(json[0].contains("teacher"));  // no run measured it
}

TEST_F(ReportTest, ARunThatClaimsToRunButDoesNotWasKilled) {
  EXPECT_EQ(make_run("a", "seed: 3\n", 0.5, RunState::kRunning).state(), "killed");
}

TEST_F(ReportTest, SeedsAreRepetitions) {
  const auto table = seed_table({make_run("a", "seed: 0\nx: 1\n", 0.5), make_run("b", "seed: 1\nx: 1\n", 0.7),
                                 make_run("c", "seed: 1\nx: 2\n", 0.1)});
  const auto json = nlohmann::json::parse(table.to_json());
  ASSERT_EQ(json.size(), 1u);
  EXPECT_EQ(json[0]["runs"], "a, b");
  EXPECT_DOUBLE_EQ(json[0]["accuracy (last), mean"].get<double>(), 0.6);
  EXPECT_NEAR(json[0]["± sd"].get<double>(), std::sqrt(0.02), 1e-12);
}

TEST_F(ReportTest, ARepetitionMayHaveAnotherNameAndMachine) {
  const auto table = seed_table({make_run("a", "name: a\nseed: 0\ndevice: cpu\nthreads: 1\nx: {name: 1}\n", 0.5),
                                 make_run("b", "name: b\nseed: 1\ndevice: auto\nthreads: 0\nx: {name: 1}\n", 0.7),
                                 make_run("c", "name: c\nseed: 1\ndevice: auto\nthreads: 0\nx: {name: 2}\n", 0.1)});
  const auto json = nlohmann::json::parse(table.to_json());
  ASSERT_EQ(json.size(), 1u);
  EXPECT_EQ(json[0]["runs"], "a, b");
}

TEST_F(ReportTest, HtmlIsOnePageThatNeedsNothing) {
  const auto html = html_report({make_run("a", "seed: 0\nname: <script>alert(1)</script>\n", 0.5),
                                 make_run("b<i>", "seed: 1\nname: \"]]>\"\n", 0.7)});
  for (const char* outside : {"http:", "https:", "src=\"/", "<link", "<script", "@import", "url("}) {
    EXPECT_EQ(html.find(outside), std::string::npos) << outside;
  }
  EXPECT_EQ(html.find("b<i>"), std::string::npos);
  EXPECT_NE(html.find("b&lt;i&gt;"), std::string::npos);
  EXPECT_NE(html.find("distill &lt;b&gt;&amp;"), std::string::npos);
  EXPECT_NE(html.find("prefers-color-scheme: dark"), std::string::npos);
  EXPECT_NE(html.find("data:image/png;base64,iVBORw0KGgo"), std::string::npos);
  EXPECT_NE(html.find("grid, step 0"), std::string::npos);
  EXPECT_NE(html.find("grid, step 100"), std::string::npos);
  EXPECT_EQ(html.find("grid, step 10<"), std::string::npos);  // four of eleven are shown
  EXPECT_NE(html.find("Configuration differences"), std::string::npos);
}

TEST_F(ReportTest, MarkdownFencesCannotBeLeft) {
  const auto text = markdown_report({make_run("a", "x: \"````\"\n", 0.5)});
  EXPECT_NE(text.find("`````yaml\nx: \"````\"\n`````\n"), std::string::npos) << text;
  EXPECT_NE(text.find("50.00 %"), std::string::npos);
}

TEST_F(ReportTest, BrokenRunFolders) {
  EXPECT_THROW(load_run(base_ / "none"), InputError);
  std::filesystem::create_directories(base_ / "bare/samples");
  std::ofstream(base_ / "bare/config.yaml") << "a: 1\n";
  std::ofstream(base_ / "bare/samples/grid_1.png") << "no picture";
  for (const char* name : {"_1.png", "grid_.png", "grid_x.png", "grid_1.txt", "grid_99999999999999999999.png"}) {
    std::ofstream(base_ / "bare/samples" / name) << "x";
  }
  const auto run = load_run(base_ / "bare");
  EXPECT_EQ(run.state(), "unknown");
  ASSERT_EQ(run.samples.size(), 1u);
  const auto html = html_report({run});
  EXPECT_NE(html.find("not a PNG picture"), std::string::npos);
  EXPECT_NE(html.find("No metrics were recorded"), std::string::npos);
}

}  // namespace
}  // namespace drystill::journal
