#include "distiller/loop.h"

#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <limits>
#include <sstream>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/stop_request.h"
#include "io/checkpoint.h"
#include "journal/run_folder.h"
#include "tests/support/temporary_folder.h"

namespace drystill::distiller {
namespace {

// Draws one number a step; the learner adds it up: any lost or repeated step or draw changes the sum.
class Draws final : public InputSource {
 public:
  explicit Draws(SeedStreams& seeds, std::int64_t interrupted_at = -1)
      : generator_(seeds.stream("draws")), interrupted_at_(interrupted_at) {}
  Batch next(const curriculum::StagePlan& plan) override {
    if (plan.step == interrupted_at_) throw Interrupted(SIGTERM);
    return {.inputs = torch::rand({1}, generator_, torch::TensorOptions(torch::kFloat64))};
  }
  void save(StateWriter) const override {}
  void load(const StateReader&) override {}

 private:
  at::Generator generator_;
  std::int64_t interrupted_at_;
};

class Sum final : public Learner {
 public:
  StepReport step(const Batch& batch, const curriculum::StagePlan& plan) override {
    total = total * 0.9 + batch.inputs.item<double>();
    if (plan.step == fail_at) total = std::numeric_limits<double>::quiet_NaN();
    if (plan.step == stop_at) request_stop(SIGTERM);
    spoilt = plan.step == spoil_at;
    return {
        .loss = torch::tensor(total, torch::kFloat64), .sample_losses = {}, .sample_weights = torch::full({1}, weight)};
  }
  double learning_rate() const override { return 0.1; }
  void save(StateWriter writer) const override {
    writer.real("total", total);
    writer.tensor("weight", torch::full({2}, spoilt ? std::numeric_limits<double>::quiet_NaN() : 1));
  }
  void load(const StateReader& reader) override { total = reader.real("total"); }

  double total = 0;
  double weight = 1;
  std::int64_t fail_at = -1;
  std::int64_t stop_at = -1;
  std::int64_t spoil_at = -1;  // the weights are NaN after this step, whose loss was still fine
  bool spoilt = false;
};

class Loop : public ::testing::Test {
 protected:
  void TearDown() override { request_stop(0); }

  static LoopOptions options() {
    return {.epochs = 5,
            .epoch_steps = 7,
            .evaluate_every = 1,
            .checkpoint_every = 2,
            .keep_checkpoints = 2,
            .log_every = 3};
  }

  // One process's share of a run in `folder`.
  RunResult run(const std::filesystem::path& folder, Sum& learner,
                const curriculum::SchedulerOptions& curriculum = curriculum::ConstantOptions{}) {
    auto run_folder = journal::RunFolder::create(folder, journal::OnExists::kResume, {});
    journal::Journal journal(run_folder);
    std::ostringstream sink;
    const auto progress = make_progress({.quiet = true}, sink, [] { return 0.0; });
    SeedStreams seeds(11);
    Draws source(seeds, interrupted_at_);
    const auto scheduler = curriculum::make_scheduler(curriculum, options().total_steps(), 7);
    return run_loop(options(), {.source = source,
                                .learner = learner,
                                .scheduler = *scheduler,
                                .seeds = seeds,
                                .journal = journal,
                                .progress = *progress,
                                .evaluate =
                                    [&] {
                                      if (--evaluations_left_ == 0) throw Interrupted(SIGTERM);
                                      return Metrics{{"total", learner.total}};
                                    },
                                .draw_samples = {},
                                .checkpoints = run_folder.checkpoints()});
  }

  // metrics.jsonl without the wall clock.
  static std::string metrics(const std::filesystem::path& folder) {
    std::ifstream file(folder / "metrics.jsonl");
    std::string text;
    for (std::string line; std::getline(file, line);) {
      const auto seconds = line.find("\"seconds\"");
      EXPECT_NE(seconds, std::string::npos) << line;
      const auto end = line.find_first_of(",}", seconds);
      text += line.erase(seconds, end - seconds) + "\n";
    }
    return text;
  }

  drystill::testing::TemporaryFolder folder_;
  int evaluations_left_ = 0;          // until a signal ends one, from 1; 0: none
  std::int64_t interrupted_at_ = -1;  // step whose batch a signal keeps from being made
};

TEST_F(Loop, RunsToTheEndAndReportsTheLastStep) {
  Sum learner;
  const auto result = run(folder_ / "run", learner);
  EXPECT_EQ(result.steps, 35);
  ASSERT_EQ(result.last_evaluation.size(), 1U);
  EXPECT_DOUBLE_EQ(result.last_evaluation[0].second, learner.total);
}

TEST_F(Loop, SaysOnceThatARunLearnsNothing) {
  const auto warnings = [&](const std::string& name, double weight, const curriculum::SchedulerOptions& curriculum,
                            const std::string& hint) {
    Sum learner;
    learner.weight = weight;
    run(folder_ / name, learner, curriculum);
    std::ifstream log(folder_ / name / "log.txt");
    int count = 0;
    for (std::string line; std::getline(log, line);) count += line.find(hint) != std::string::npos;
    return count;
  };
  EXPECT_EQ(warnings("nothing", 0, curriculum::SelfPacedOptions{}, "curriculum.threshold"), 1);
  EXPECT_EQ(warnings("something", 0.1, curriculum::SelfPacedOptions{}, "curriculum.threshold"), 0);
  EXPECT_EQ(warnings("masked", 0, curriculum::ConstantOptions{}, "loss.skip_first"), 1);
  EXPECT_EQ(warnings("unpaced", 1, curriculum::ConstantOptions{}, "nothing was learnt"), 0);
}

TEST_F(Loop, SavesWhereASignalEndsTheMakingOfABatch) {
  Sum whole;
  run(folder_ / "whole", whole);
  for (const std::int64_t step : {0, 5, 6, 20}) {
    Sum part;
    interrupted_at_ = step;
    EXPECT_THROW(run(folder_ / "parts", part), Interrupted) << step;
    const auto newest = io::latest_checkpoint(folder_ / "parts" / "checkpoints");
    ASSERT_TRUE(newest);
    EXPECT_EQ(io::load_checkpoint(*newest).step, step);
  }
  interrupted_at_ = -1;
  Sum last;
  run(folder_ / "parts", last);
  EXPECT_EQ(last.total, whole.total);
  EXPECT_EQ(metrics(folder_ / "parts"), metrics(folder_ / "whole"));
}

TEST_F(Loop, AnEvaluationThatASignalEndsIsMadeWhenTheRunGoesOn) {
  Sum whole;
  run(folder_ / "whole", whole);
  // At step 7, at 14, at 14 again, and at the last.
  for (const auto& [evaluation, step] : std::vector<std::pair<int, int>>{{1, 7}, {2, 14}, {1, 14}, {4, 35}}) {
    evaluations_left_ = evaluation;
    Sum part;
    EXPECT_THROW(run(folder_ / "parts", part), Interrupted) << step;
    EXPECT_EQ(io::checkpoint_step(io::latest_checkpoint(folder_ / "parts" / "checkpoints").value()), step);
  }
  evaluations_left_ = 0;
  Sum last;
  const auto result = run(folder_ / "parts", last);
  EXPECT_EQ(result.steps, 35);
  EXPECT_EQ(last.total, whole.total);
  EXPECT_EQ(metrics(folder_ / "parts"), metrics(folder_ / "whole"));
}

TEST_F(Loop, StoppedBySignalsAndResumedItEqualsTheUninterruptedRun) {
  Sum whole;
  run(folder_ / "whole", whole);
  double total = 0;
  for (const std::int64_t stop_at : {0, 9, 10, 27, 33}) {
    request_stop(0);
    Sum part;
    part.stop_at = stop_at;
    EXPECT_THROW(run(folder_ / "parts", part), Interrupted) << stop_at;
  }
  request_stop(0);
  Sum last;
  run(folder_ / "parts", last);
  total = last.total;
  EXPECT_EQ(total, whole.total);
  EXPECT_EQ(metrics(folder_ / "parts"), metrics(folder_ / "whole"));
}

TEST_F(Loop, AStepThatDivergesThrowsAtOnceAndKeepsTheLastCheckpoint) {
  Sum learner;
  learner.fail_at = 20;  // checkpoints at 14, 28, 35
  EXPECT_THROW(run(folder_ / "run", learner), DivergedError);
  const auto newest = io::latest_checkpoint(folder_ / "run" / "checkpoints");
  ASSERT_TRUE(newest.has_value());
  const State state = io::load_checkpoint(*newest).state;
  EXPECT_EQ(StateReader(state).integer("step"), 14);
}

TEST_F(Loop, WeightsThatAStepSpoiltAreNeverSaved) {
  for (const std::int64_t spoil_at : {27, 34}) {  // before the checkpoints of 28 and, the end, 35
    Sum learner;
    learner.spoil_at = spoil_at;
    const auto folder = folder_ / std::to_string(spoil_at);
    EXPECT_THROW(run(folder, learner), DivergedError) << spoil_at;
    const auto newest = io::latest_checkpoint(folder / "checkpoints");
    ASSERT_TRUE(newest.has_value());
    EXPECT_EQ(io::checkpoint_step(*newest), spoil_at == 27 ? 14 : 28);
  }
}

TEST_F(Loop, ALifeThatEndedBeforeItsFirstCheckpointLeavesNoMetricsBehind) {
  Sum whole, first, second;
  run(folder_ / "whole", whole);
  first.fail_at = 10;  // the first checkpoint is at 14, lines stand at 3, 6, 7 and 9
  EXPECT_THROW(run(folder_ / "parts", first), DivergedError);
  run(folder_ / "parts", second);
  EXPECT_EQ(metrics(folder_ / "parts"), metrics(folder_ / "whole"));
}

TEST_F(Loop, AFinishedRunStartedAgainDoesNothingTwice) {
  Sum first, second;
  run(folder_ / "run", first);
  const std::string before = metrics(folder_ / "run");
  const auto result = run(folder_ / "run", second);
  EXPECT_EQ(result.steps, 35);
  EXPECT_EQ(second.total, first.total);
  EXPECT_EQ(metrics(folder_ / "run"), before);
}

}  // namespace
}  // namespace drystill::distiller
