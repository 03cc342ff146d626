#include "curriculum/rollout_ramps.h"

#include <gtest/gtest.h>

#include <cmath>

namespace drystill::curriculum {
namespace {

using Indices = std::vector<std::int64_t>;

TEST(Ramp, IsStraightBetweenBeginAndEnd) {
  const Ramp ramp{.from = 1, .to = 3, .begin = 0.2, .end = 0.6};
  EXPECT_DOUBLE_EQ(ramp.at(0), 1);
  EXPECT_DOUBLE_EQ(ramp.at(0.2), 1);
  EXPECT_DOUBLE_EQ(ramp.at(0.4), 2);
  EXPECT_DOUBLE_EQ(ramp.at(0.6), 3);
  EXPECT_DOUBLE_EQ(ramp.at(1), 3);
}

TEST(Ramp, OfNoLengthIsAStep) {
  const Ramp ramp{.from = 1, .to = 3, .begin = 0.5, .end = 0.5};
  EXPECT_DOUBLE_EQ(ramp.at(0.49), 1);
  EXPECT_DOUBLE_EQ(ramp.at(0.5), 3);
}

TEST(RolloutRamps, DefaultsChangeNothing) {
  for (const double progress : {0.0, 0.3, 1.0}) {
    const RolloutPlan plan = plan_rollouts({}, progress);
    EXPECT_EQ(plan.window_low, 0);
    EXPECT_EQ(plan.window_high, 1);
    EXPECT_EQ(plan.length, 1);
    EXPECT_EQ(plan.temperature, 1);
  }
  EXPECT_TRUE(RolloutRampOptions{}.problems().empty());
}

// The window of the design: [0, 0.3] at the start, [0.5, 1] at the end.
TEST(SelectWindow, MovesFromEasyToHard) {
  const RolloutRampOptions options{
      .window_low = {.from = 0, .to = 0.5}, .window_high = {.from = 0.3, .to = 1}, .length = {}, .temperature = {}};
  const std::vector<double> divergences = {5, 1, 9, 3, 7, 2, 8, 4, 6, 0};
  EXPECT_EQ(select_window(divergences, plan_rollouts(options, 0)), (Indices{9, 1, 5}));
  EXPECT_EQ(select_window(divergences, plan_rollouts(options, 1)), (Indices{0, 8, 4, 6, 2}));
}

TEST(SelectWindow, KeepsAtLeastOneAndPutsNanLast) {
  EXPECT_EQ(select_window({}, {}), Indices{});
  EXPECT_EQ(select_window({1}, {.window_low = 0.9, .window_high = 0.95}), Indices{0});
  EXPECT_EQ(select_window({2, 1, 3}, {.window_low = 1, .window_high = 1}), Indices{2});
  EXPECT_EQ(select_window({std::nan(""), 1, 2}, {}), (Indices{1, 2, 0}));
  EXPECT_EQ(select_window({1, 1, 1}, {}), (Indices{0, 1, 2}));
}

TEST(RolloutRamps, RefusesWindowsThatAreEmptyOnTheWay) {
  RolloutRampOptions options{.window_low = {.from = 0, .to = 0.5, .end = 0.1},
                             .window_high = {.from = 0.4, .to = 1, .begin = 0.9},
                             .length = {},
                             .temperature = {}};
  ASSERT_EQ(options.problems().size(), 1U);
  EXPECT_EQ(options.problems()[0].field, "window_low");
  options.window_high.from = 0.6;
  EXPECT_TRUE(options.problems().empty());
}

TEST(RolloutRamps, RefusesEmptyWindows) {
  RolloutRampOptions options;
  options.window_low.to = 1;
  EXPECT_EQ(options.problems().size(), 1U);
  options = {};
  options.window_high.from = 1.5;
  EXPECT_EQ(options.problems().size(), 1U);
}

}  // namespace
}  // namespace drystill::curriculum
