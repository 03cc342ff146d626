#include "curriculum/scheduler.h"

#include <gtest/gtest.h>

namespace drystill::curriculum {
namespace {

// The released loop, step by step: adv += grad_adv after epoch e where int(E*begin) < e < int(E*end).
double released_weight(const AdversarialRamp& ramp, std::int64_t epochs, std::int64_t epoch) {
  double weight = ramp.initial;
  for (std::int64_t e = 0; e < epoch; ++e) {
    if (e > static_cast<std::int64_t>(epochs * ramp.begin) && e < static_cast<std::int64_t>(epochs * ramp.end)) {
      weight += ramp.per_epoch;
    }
  }
  return weight;
}

SelfPacedOptions cifar10_options() {
  SelfPacedOptions options;
  options.threshold = 2;
  options.threshold_per_step = 1e-4;
  options.adversarial = {.initial = 0, .per_epoch = 0.5, .begin = 0.25, .end = 0.75};
  return options;
}

TEST(SelfPaced, ThresholdOfTheCifar10ScriptIs2And7And12) {
  const auto scheduler = make_scheduler(cifar10_options(), 100'000, 400);
  EXPECT_DOUBLE_EQ(scheduler->plan(0).easy_threshold, 2);
  EXPECT_DOUBLE_EQ(scheduler->plan(50'000).easy_threshold, 7);
  EXPECT_DOUBLE_EQ(scheduler->plan(100'000).easy_threshold, 12);
}

TEST(SelfPaced, AdversarialRampEqualsTheReleasedLoopInEveryEpoch) {
  for (const std::int64_t epochs : {1, 2, 7, 10, 250}) {
    for (const auto& [begin, end] : {std::pair{0.25, 0.75}, {0.0, 1.0}, {0.5, 0.5}, {0.2, 0.8}}) {
      SelfPacedOptions options = cifar10_options();
      options.adversarial.begin = begin;
      options.adversarial.end = end;
      const auto scheduler = make_scheduler(options, epochs * 40, 40);
      for (std::int64_t epoch = 0; epoch < epochs; ++epoch) {
        const double expected = released_weight(options.adversarial, epochs, epoch);
        EXPECT_DOUBLE_EQ(scheduler->plan(epoch * 40).adversarial_weight, expected) << epochs << " epochs, " << epoch;
        EXPECT_DOUBLE_EQ(scheduler->plan(epoch * 40 + 39).adversarial_weight, expected);
      }
    }
  }
}

TEST(SelfPaced, RampStopsAtItsCap) {
  SelfPacedOptions options = cifar10_options();
  options.adversarial.cap = 3;
  const auto scheduler = make_scheduler(options, 100'000, 400);
  EXPECT_DOUBLE_EQ(scheduler->plan(99'999).adversarial_weight, 3);
}

TEST(Constant, KeepsEveryWeightAtOneAndTheAdversaryWhereItIs) {
  const auto scheduler = make_scheduler(ConstantOptions{.adversarial_weight = 0.7}, 10, 5);
  EXPECT_DOUBLE_EQ(scheduler->plan(9).adversarial_weight, 0.7);
  EXPECT_EQ(scheduler->plan(9).pacing, Pacing::kNone);
  EXPECT_DOUBLE_EQ(scheduler->plan(5).progress, 0.5);
}

}  // namespace
}  // namespace drystill::curriculum
