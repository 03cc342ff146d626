#include "language/models/rotary.h"

#include <gtest/gtest.h>

#include "tests/language/models/tiny_models.h"

namespace drystill::language::testing {
namespace {

torch::Tensor rotated(std::int64_t position) {
  const auto x = at::tensor({1.0, 2.0, 3.0, 4.0}).view({1, 1, 1, 4});
  const auto positions = at::tensor({position}).view({1, 1});
  return rotate(x.to(torch::kFloat32), rotation_of(positions, rotary_frequencies({}, 4))).view({4});
}

TEST(Rotary, KnownAnswersOfFourEntries) {
  EXPECT_LT(max_difference(rotated(0), at::tensor({1.0, 2.0, 3.0, 4.0})), 1e-7);
  EXPECT_LT(max_difference(rotated(1), at::tensor({-1.9841106486, 1.9599006675, 2.4623779024, 4.0197996683})), 2e-6);
  EXPECT_LT(max_difference(rotated(5), at::tensor({3.1604350095, 1.7975838437, -0.1079377183, 4.0949593801})), 2e-6);
}

TEST(Rotary, Llama3ScalingOfThePublishedModel) {
  const auto frequencies = rotary_frequencies({.theta = 5e5,
                                               .scaling = RopeScaling::kLlama3,
                                               .factor = 32,
                                               .low_frequency_factor = 1,
                                               .high_frequency_factor = 4,
                                               .original_max_positions = 8192},
                                              64);
  const std::map<std::int64_t, double> known = {{0, 1.0},
                                                {14, 3.2114459948e-3},
                                                {15, 1.2905479282e-3},
                                                {16, 4.2955679656e-4},
                                                {17, 9.7082878026e-5},
                                                {18, 1.9461638185e-5},
                                                {31, 9.4183067254e-8}};
  for (const auto& [index, value] : known) {
    EXPECT_NEAR(frequencies[index].item<double>() / value, 1, 3e-6) << "frequency " << index;
  }
}

TEST(Rotary, LinearScalingDividesPositions) {
  const RopeOptions linear{.scaling = RopeScaling::kLinear, .factor = 4};
  EXPECT_LT(max_difference(rotary_frequencies(linear, 8) * 4, rotary_frequencies({}, 8)), 1e-7);
}

TEST(Rotary, BackIsTheInverse) {
  const auto x = at::randn({2, 3, 2, 8});
  auto rotation = rotation_of(at::arange(3).unsqueeze(0), rotary_frequencies({}, 8));
  const auto turned = rotate(x, rotation);
  rotation.sine = -rotation.sine;
  EXPECT_LT(max_difference(rotate(turned, rotation), x), 1e-6);
}

}  // namespace
}  // namespace drystill::language::testing
