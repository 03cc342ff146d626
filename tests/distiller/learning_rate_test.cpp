#include "distiller/learning_rate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace drystill::distiller {
namespace {

TEST(LearningRate, CosineStartsAtThePeakAndHalvesInTheMiddle) {
  const ScheduleOptions schedule{.kind = ScheduleKind::kCosine, .final_factor = 0.1};
  EXPECT_DOUBLE_EQ(learning_rate_factor(schedule, 0, 100), 1);
  EXPECT_NEAR(learning_rate_factor(schedule, 50, 100), 0.1 + 0.9 * 0.5, 1e-12);
  EXPECT_NEAR(learning_rate_factor(schedule, 99, 100), 0.1 + 0.9 * 0.5 * (1 + std::cos(std::numbers::pi * 0.99)),
              1e-12);
}

TEST(LearningRate, LinearFallsEvenly) {
  const ScheduleOptions schedule{.kind = ScheduleKind::kLinear, .final_factor = 0.2};
  EXPECT_DOUBLE_EQ(learning_rate_factor(schedule, 0, 100), 1);
  EXPECT_NEAR(learning_rate_factor(schedule, 25, 100), 0.8, 1e-12);
  EXPECT_NEAR(learning_rate_factor(schedule, 99, 100), 0.208, 1e-12);
}

TEST(LearningRate, StepMultipliesAtEveryMilestone) {
  const ScheduleOptions schedule{.kind = ScheduleKind::kStep, .milestones = {0.5, 0.75}, .decay = 0.1};
  EXPECT_DOUBLE_EQ(learning_rate_factor(schedule, 49, 100), 1);
  EXPECT_DOUBLE_EQ(learning_rate_factor(schedule, 50, 100), 0.1);
  EXPECT_NEAR(learning_rate_factor(schedule, 75, 100), 0.01, 1e-15);
}

TEST(LearningRate, OneCycleRisesToOneAndFallsToItsEnd) {
  const ScheduleOptions schedule{.kind = ScheduleKind::kOneCycle, .warmup = 0.2};
  EXPECT_NEAR(learning_rate_factor(schedule, 0, 100), 0.05, 1e-12);
  EXPECT_NEAR(learning_rate_factor(schedule, 20, 100), 1, 1e-12);
  EXPECT_NEAR(learning_rate_factor(schedule, 60, 100), 0.5, 1e-12);
  double previous = 1;
  for (int step = 21; step < 100; ++step) {
    const double factor = learning_rate_factor(schedule, step, 100);
    EXPECT_LT(factor, previous);
    previous = factor;
  }
}

TEST(LearningRate, WarmupRampsAnyKind) {
  const ScheduleOptions schedule{.kind = ScheduleKind::kConstant, .warmup = 0.1};
  EXPECT_DOUBLE_EQ(learning_rate_factor(schedule, 0, 100), 0.1);
  EXPECT_DOUBLE_EQ(learning_rate_factor(schedule, 9, 100), 1);
  EXPECT_DOUBLE_EQ(learning_rate_factor(schedule, 50, 100), 1);
}

}  // namespace
}  // namespace drystill::distiller
