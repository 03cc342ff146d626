#include "kernels/transformer_layers.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <vector>

#include "core/device.h"
#include "core/error.h"

namespace drystill::kernels {
namespace {

using Tensors = std::vector<torch::Tensor>;
using Layer = std::function<torch::Tensor(const Tensors&)>;

// Values and gradients of `layer` in `type` against the same in float64, where every layer here is composed of
// LibTorch's operators. `learnable`: how many of the inputs, from the first, want a gradient.
void expect_like_float64(const Layer& layer, const Tensors& inputs, std::size_t learnable, torch::ScalarType type,
                         double tolerance) {
  const auto run = [&](torch::ScalarType as) {
    Tensors leaves;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const auto stored = i < learnable ? inputs[i].to(type).to(as) : inputs[i];
      leaves.push_back(i < learnable ? stored.clone().requires_grad_(true) : stored);
    }
    const auto y = layer(leaves);
    const auto upstream = at::linspace(-1, 1, y.numel(), torch::kFloat64).view(y.sizes()).to(type).to(as);
    Tensors results = {y};
    const Tensors wanted(leaves.begin(), leaves.begin() + static_cast<std::ptrdiff_t>(learnable));
    for (const auto& gradient : torch::autograd::grad({y}, wanted, {upstream})) results.push_back(gradient);
    return results;
  };
  const auto expected = run(torch::kFloat64), got = run(type);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double scale = std::max(1.0, expected[i].abs().max().item<double>());
    EXPECT_EQ(got[i].scalar_type(), type);
    EXPECT_LT((got[i].to(torch::kFloat64) - expected[i]).abs().max().item<double>(), tolerance * scale)
        << (i == 0 ? "value" : "gradient of input ") << i << " of width " << inputs[0].size(-1);
  }
}

double tolerance_of(torch::ScalarType type) {
  return type == torch::kBFloat16 ? 2e-2 : 1e-5;
}

class TransformerLayers : public ::testing::TestWithParam<torch::ScalarType> {
 protected:
  void SetUp() override { at::manual_seed(3); }
};
INSTANTIATE_TEST_SUITE_P(Types, TransformerLayers, ::testing::Values(torch::kFloat32, torch::kBFloat16),
                         [](const auto& test) { return std::string(torch::toString(test.param)); });

TEST_P(TransformerLayers, RmsNorm) {
  for (const std::int64_t width : {1, 7, 8, 15, 16, 17, 33, 576}) {
    for (const std::int64_t rows : {1, 3, 257}) {
      expect_like_float64([](const Tensors& in) { return rms_norm(in[0], in[1], 1e-5); },
                          {at::randn({rows, width}), at::randn({width})}, 2, GetParam(), tolerance_of(GetParam()));
    }
  }
  const auto view = at::randn({6, 4}).t().to(GetParam());
  EXPECT_TRUE(rms_norm(view, at::ones({6}, GetParam()), 1e-5)
                  .equal(rms_norm(view.contiguous(), at::ones({6}, GetParam()), 1e-5)));
  EXPECT_EQ(rms_norm(at::ones({0, 4}, GetParam()), at::ones({4}, GetParam()), 1e-5).sizes(), (at::IntArrayRef{0, 4}));
}

TEST_P(TransformerLayers, SiluProduct) {
  for (const std::int64_t size : {1, 15, 16, 17, 40001}) {
    expect_like_float64([](const Tensors& in) { return silu_product(in[0], in[1]); },
                        {at::randn({size}) * 4, at::randn({size})}, 2, GetParam(), tolerance_of(GetParam()));
  }
  const auto far = at::tensor({-1e4F, -100.F, 0.F, 100.F, 1e4F}).to(GetParam());
  EXPECT_TRUE(silu_product(far, at::ones_like(far)).isfinite().all().item<bool>());
}

TEST_P(TransformerLayers, RotateHalves) {
  for (const std::int64_t half : {1, 4, 16, 17, 32}) {
    for (const std::int64_t rows : {1, 2}) {  // one rotation for all texts, or one for each
      const auto angles = at::randn({rows, 5, 1, half}) * 3;
      const auto cosine = angles.cos(), sine = angles.sin();
      expect_like_float64([](const Tensors& in) { return rotate_halves(in[0], in[1], in[2]); },
                          {at::randn({2, 5, 3, 2 * half}), cosine, sine}, 1, GetParam(), tolerance_of(GetParam()));
    }
  }
}

TEST_P(TransformerLayers, CausalAttention) {
  for (const std::int64_t width : {1, 2, 15, 16, 17, 70}) {
    for (const std::int64_t heads : {2, 6}) {
      expect_like_float64([](const Tensors& in) { return causal_attention(in[0], in[1], in[2]); },
                          {at::randn({3, width, heads, 8}), at::randn({3, width, 2, 8}), at::randn({3, width, 2, 8})},
                          3, GetParam(), 2 * tolerance_of(GetParam()));
    }
  }
}

TEST_P(TransformerLayers, CausalAttentionSeesNothingOfTheFuture) {
  const auto query = at::randn({1, 40, 4, 16}).to(GetParam()), key = at::randn({1, 40, 2, 16}).to(GetParam());
  auto value = at::randn({1, 40, 2, 16}).to(GetParam());
  const auto before = causal_attention(query, key, value);
  value.narrow(1, 20, 20).fill_(100);
  const auto after = causal_attention(query, key, value);
  EXPECT_TRUE(before.narrow(1, 0, 20).equal(after.narrow(1, 0, 20)));
  EXPECT_FALSE(before.narrow(1, 20, 20).equal(after.narrow(1, 20, 20)));
}

// Of our own path: what LibTorch's makes of a NaN depends on the processor.
TEST(CausalAttention, HidesNoNaN) {
  if (!has_fast_bfloat16(torch::kCPU)) GTEST_SKIP() << "a processor without bfloat16 matrices";
  for (const bool in_query : {true, false}) {
    auto query = at::randn({1, 40, 2, 16}).to(torch::kBFloat16), key = at::randn({1, 40, 2, 16}).to(torch::kBFloat16);
    const auto value = at::randn({1, 40, 2, 16}).to(torch::kBFloat16);
    (in_query ? query : key).select(1, 2).fill_(std::numeric_limits<float>::quiet_NaN());
    const auto result = causal_attention(query, key, value);
    EXPECT_TRUE(result.select(1, 2).isnan().all().item<bool>());
    EXPECT_TRUE(result.narrow(1, 0, 2).isfinite().all().item<bool>());
  }
}

TEST(TransformerLayersOrder, SecondGradientsAreRefusedWhereTheyWouldBeWrong) {
  const auto x = at::randn({4, 16}).requires_grad_(true);
  const auto y = rms_norm(x, at::ones({16}), 1e-5).square().sum();
  EXPECT_THROW(torch::autograd::grad({y}, {x}, {}, true, true), RunError);
}

}  // namespace
}  // namespace drystill::kernels
