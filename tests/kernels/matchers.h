#pragma once

#include <gtest/gtest.h>
#include <torch/types.h>

namespace drystill::testing {

// Largest |actual - expected| / (|expected| + scale) must not exceed `tolerance`; NaN never passes. `scale` is the size
// below which errors count as absolute.
inline ::testing::AssertionResult near(const torch::Tensor& actual, const torch::Tensor& expected, double tolerance,
                                       double scale = 1) {
  if (!actual.defined() || !expected.defined()) return ::testing::AssertionFailure() << "undefined tensor";
  if (actual.sizes() != expected.sizes()) {
    return ::testing::AssertionFailure() << "shape " << actual.sizes() << ", expected " << expected.sizes();
  }
  const torch::Tensor a = actual.detach().cpu().to(torch::kFloat64), e = expected.detach().cpu().to(torch::kFloat64);
  const double worst = ((a - e).abs() / (e.abs() + scale)).max().item<double>();
  if (worst <= tolerance) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "largest error " << worst << ", allowed " << tolerance;
}

}  // namespace drystill::testing
