#include "kernels/matrix_product.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace drystill::kernels {
namespace {

// rows, in, out: below and above the size from which oneDNN is used, odd sizes
struct ProductShape {
  std::int64_t rows, in, out;
};

class MatrixProduct : public ::testing::TestWithParam<ProductShape> {};
INSTANTIATE_TEST_SUITE_P(Shapes, MatrixProduct,
                         ::testing::Values(ProductShape{1, 3, 2}, ProductShape{5, 64, 33}, ProductShape{257, 129, 131},
                                           ProductShape{1024, 64, 64}, ProductShape{1, 2048, 2048}));

TEST_P(MatrixProduct, EqualsThatOfLibTorchForwardAndBackward) {
  const auto [rows, in, out] = GetParam();
  at::manual_seed(5);
  for (const bool with_bias : {false, true}) {
    const auto make = [&](std::vector<std::int64_t> sizes) { return at::randn(sizes).requires_grad_(true); };
    const auto x = make({1, rows, in}), weight = make({out, in});
    const auto bias = with_bias ? make({out}) : torch::Tensor();
    const auto upstream = at::randn({1, rows, out});
    std::vector<torch::Tensor> inputs = {x, weight};
    if (with_bias) inputs.push_back(bias);
    const auto expected = at::linear(x, weight, bias);
    const auto got = kernels::linear(x, weight, bias);
    ASSERT_EQ(got.sizes(), expected.sizes());
    EXPECT_TRUE(got.allclose(expected, 1e-4, 1e-3));
    const auto wanted = torch::autograd::grad({expected}, inputs, {upstream});
    const auto gradients = torch::autograd::grad({got}, inputs, {upstream});
    for (std::size_t i = 0; i < inputs.size(); ++i) EXPECT_TRUE(gradients[i].allclose(wanted[i], 1e-4, 1e-2)) << i;
  }
}

TEST(MatrixProduct, ComputesNoGradientThatNobodyWants) {
  const auto x = at::randn({300, 100}).requires_grad_(true), weight = at::randn({100, 100});
  kernels::linear(x, weight).sum().backward();
  EXPECT_TRUE(x.grad().defined());
  EXPECT_FALSE(weight.grad().defined());
  EXPECT_FALSE(kernels::linear(x.detach(), weight).requires_grad());
}

TEST(MatrixProduct, IsDifferentiableTwice) {
  const auto x = at::randn({300, 100}).requires_grad_(true), weight = at::randn({100, 100}).requires_grad_(true);
  const auto second = [&](const torch::Tensor& y) {
    const auto first = torch::autograd::grad({y.square().sum()}, {x}, {}, true, true);
    return torch::autograd::grad({first[0].square().sum()}, {weight})[0];
  };
  const auto expected = second(at::linear(x, weight));
  EXPECT_TRUE(second(kernels::linear(x, weight)).allclose(expected, 1e-3, expected.abs().max().item<double>() * 1e-4));
}

TEST(MatrixProduct, TakesViewsAndOtherTypes) {
  const auto a = at::randn({200, 150}).t(), b = at::randn({180, 400}).narrow(1, 100, 200);
  EXPECT_TRUE(product_transposed(a, b).allclose(at::mm(a, b.t()), 1e-4, 1e-3));
  const auto half = at::ones({200, 150}, torch::kBFloat16);
  EXPECT_EQ(kernels::linear(half, half).scalar_type(), torch::kBFloat16);
  EXPECT_EQ(kernels::linear(at::ones({200, 150}, torch::kFloat64), at::ones({200, 150}, torch::kFloat64))
                .sum()
                .item<double>(),
            200.0 * 200 * 150);
  EXPECT_EQ(kernels::linear(at::ones({0, 5}), at::ones({3, 5})).sizes(), (at::IntArrayRef{0, 3}));
}

}  // namespace
}  // namespace drystill::kernels
