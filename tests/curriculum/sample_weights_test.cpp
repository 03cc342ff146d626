#include "curriculum/sample_weights.h"

#include <gtest/gtest.h>

#include <cmath>

namespace drystill::curriculum {
namespace {

const std::vector<double> kLosses = {0.0, 0.3, 1.0, 1.999, 2.0, 2.001, 5.0, 50.0, 1e4};

torch::Tensor losses() {
  return torch::tensor(kLosses, torch::kFloat64);
}

// The published formulas, entry by entry.
double published(double l, double lambda, Pacing pacing) {
  switch (pacing) {
    case Pacing::kNone:
      return 1;
    case Pacing::kHard:
      return l < lambda ? 1 : 0;
    case Pacing::kSoft:
      return l < lambda ? 1 - l / lambda : 0;
    case Pacing::kLog:
      return (1 + std::exp(-lambda)) / (1 + std::exp(l - lambda));
  }
  return -1;
}

TEST(SampleWeights, EqualThePublishedFormulas) {
  for (const auto pacing : {Pacing::kNone, Pacing::kHard, Pacing::kSoft, Pacing::kLog}) {
    const auto weights = sample_weights(losses(), 2.0, pacing);
    for (std::size_t i = 0; i < kLosses.size(); ++i) {
      EXPECT_NEAR(weights[static_cast<std::int64_t>(i)].item<double>(), published(kLosses[i], 2.0, pacing), 1e-12)
          << enum_name(pacing) << " at loss " << kLosses[i];
    }
  }
}

TEST(SampleWeights, LogPacingIsOneAtZeroAndFiniteForHugeLosses) {
  const auto weights = sample_weights(losses(), 2.0, Pacing::kLog);
  EXPECT_NEAR(weights[0].item<double>(), 1.0, 1e-12);
  EXPECT_TRUE(weights.isfinite().all().item<bool>());
  EXPECT_EQ(weights[-1].item<double>(), 0.0);
}

TEST(SampleWeights, CarryNoGradientAndKeepShape) {
  const auto scalar = torch::tensor(0.5).requires_grad_();
  const auto weight = sample_weights(scalar, 1.0, Pacing::kSoft);
  EXPECT_EQ(weight.dim(), 0);
  EXPECT_FALSE(weight.requires_grad());
}

// The regulariser g(v; lambda) of CuDFKD, section 3, of one weight.
double regulariser(double v, double lambda, Pacing pacing) {
  const auto x_log_x = [](double x) { return x > 0 ? x * std::log(x) : 0.; };
  switch (pacing) {
    case Pacing::kNone:
      return 0;
    case Pacing::kHard:
      return -lambda * v;
    case Pacing::kSoft:
      return 0.5 * lambda * (v * v - 2 * v);
    case Pacing::kLog:
      return x_log_x(1 + std::exp(-lambda) - v) + x_log_x(v) - lambda * v;
  }
  return 0;
}

// The weights are the minimiser of v*l + g(v; lambda) over [0, 1]: what makes self-paced learning a descent method
// (majorisation-minimisation, CuDFKD section 3). Checked against a fine grid.
TEST(SampleWeights, MinimiseTheRegularisedObjective) {
  for (const auto pacing : {Pacing::kHard, Pacing::kSoft, Pacing::kLog}) {
    const double lambda = 1.7;
    for (const double l : {0.1, 0.9, 1.6, 2.5, 4.0}) {
      const auto at = [&](double v) { return v * l + regulariser(v, lambda, pacing); };
      const double best = at(sample_weights(torch::full({1}, l, torch::kFloat64), lambda, pacing).item<double>());
      for (double v = 0; v <= 1.0; v += 0.001) {
        EXPECT_LE(best, at(v) + 1e-9) << enum_name(pacing) << " loss " << l << " beaten by v = " << v;
      }
    }
  }
}

}  // namespace
}  // namespace drystill::curriculum
