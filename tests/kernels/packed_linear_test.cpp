#include "kernels/packed_linear.h"

#include <ATen/ops/full.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "core/error.h"
#include "core/seeds.h"
#include "kernels/cpu/packed_linear_cpu.h"
#include "kernels/cpu/packed_linear_tiles.h"
#include "tests/kernels/matchers.h"

namespace drystill::kernels {
namespace {

using drystill::testing::near;

constexpr std::int64_t kRowCounts[] = {0, 1, 2, 3, 4, 5, 6, 7, 13, 14, 15, 29, 31, 32, 33, 65, 113, 225};

torch::Tensor random_rows(std::vector<std::int64_t> shape, const std::string& name) {
  SeedStreams seeds(23);
  return at::randn(shape, seeds.cpu_stream(name), torch::kFloat32);
}

// The sum of |x w| bounds the rounding of any order of summation.
torch::Tensor exact(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias) {
  const auto wide = [](const torch::Tensor& tensor) {
    return tensor.defined() ? tensor.to(torch::kFloat64) : torch::Tensor();
  };
  const torch::Tensor offset = bias.defined() ? wide(bias) : at::zeros({weight.size(0)}, torch::kFloat64);
  return at::linear(wide(x), wide(weight), offset);
}

struct Size {
  std::int64_t out, in;
};

class PackedLinearSizes : public ::testing::TestWithParam<Size> {};

TEST_P(PackedLinearSizes, IsLinearInFloat32) {
  const auto [out, in] = GetParam();
  const torch::Tensor weight = random_rows({out, in}, "weight"), bias = random_rows({out}, "bias");
  const PackedLinear biased(weight, bias), plain(weight);
  EXPECT_EQ(biased.in_features(), in);
  EXPECT_EQ(biased.out_features(), out);
  EXPECT_GE(biased.bytes(), out * in * 4);
  for (const std::int64_t rows : kRowCounts) {
    SCOPED_TRACE(rows);
    const torch::Tensor x = random_rows({rows, in}, "x");
    if (rows == 0) {
      EXPECT_EQ(biased.forward(x).sizes(), torch::IntArrayRef({0, out}));
      continue;
    }
    EXPECT_TRUE(near(biased.forward(x), exact(x, weight, bias), 2e-5, std::sqrt(static_cast<double>(in))));
    EXPECT_TRUE(near(plain.forward(x), exact(x, weight, {}), 2e-5, std::sqrt(static_cast<double>(in))));
  }
}

TEST_P(PackedLinearSizes, IsLinearInBfloat16) {
  const auto [out, in] = GetParam();
  const torch::Tensor weight = random_rows({out, in}, "weight").to(torch::kBFloat16);
  const torch::Tensor bias = random_rows({out}, "bias");
  const PackedLinear packed(weight, bias);
  EXPECT_EQ(packed.type(), torch::kBFloat16);
  for (const std::int64_t rows : kRowCounts) {
    if (rows == 0) continue;
    SCOPED_TRACE(rows);
    // Products of two bfloat16 are exact in float32, so against the rounded x only the order of the sum differs.
    const torch::Tensor x = random_rows({rows, in}, "x"), rounded = x.to(torch::kBFloat16);
    const torch::Tensor expected = exact(rounded, weight, bias);
    EXPECT_TRUE(near(packed.forward(x), expected, 2e-5, std::sqrt(static_cast<double>(in))));
    const torch::Tensor y = packed.forward(rounded);
    EXPECT_EQ(y.scalar_type(), torch::kBFloat16);
    EXPECT_TRUE(near(y, expected, 5e-3));
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, PackedLinearSizes,
                         ::testing::Values(Size{1, 1}, Size{31, 33}, Size{32, 32}, Size{33, 31}, Size{576, 576},
                                           Size{192, 577}, Size{97, 1536}, Size{640, 129}),
                         [](const auto& test) {
                           return std::to_string(test.param.out) + "x" + std::to_string(test.param.in);
                         });

TEST(PackedLinear, EveryInstructionSetAgreesWithPlainLoops) {
  constexpr std::int64_t kRows = 15, kIn = 37, kDepth = 38, kColumns = 21;
  const torch::Tensor weight = random_rows({kColumns, kIn}, "weight");
  const torch::Tensor packed = cpu::pack_weight(weight), packed_half = cpu::pack_weight(weight.to(torch::kBFloat16));
  const torch::Tensor x = random_rows({kRows, kIn}, "x"), bias = random_rows({cpu::kPanel}, "bias");
  std::vector<cpu::Bfloat16Bits> x_half(kRows * kDepth);
  for (std::int64_t row = 0; row < kRows; ++row) {
    cpu::round_generic(x.const_data_ptr<float>() + row * kIn, kIn, x_half.data() + row * kDepth);
  }
  const auto run = [&](const auto& panel, const auto& values, const auto* weights, std::int64_t depth,
                       bool accumulate) {
    torch::Tensor y = at::full({kRows, kColumns + 3}, 7.f);
    panel({.x = values.data(),
           .weights = weights,
           .next = nullptr,
           .bias = bias.const_data_ptr<float>(),
           .y = y.mutable_data_ptr<float>(),
           .rows = kRows,
           .depth = depth,
           .columns = kColumns,
           .y_stride = kColumns + 3,
           .accumulate = accumulate});
    return y;  // what lies beyond the columns must still be 7
  };
  // [rows, steps] as RowTiles has it.
  const auto tiles = [&](std::int64_t most, std::int64_t steps, const auto& value) {
    std::vector<decltype(value(0, 0))> result;
    const cpu::RowTiles of{kRows, most};
    for (std::int64_t tile = 0; tile < of.count(); ++tile) {
      for (std::int64_t k = 0; k < steps; ++k) {
        for (std::int64_t row = of.first_row(tile); row < of.first_row(tile + 1); ++row) {
          result.push_back(value(row, k));
        }
      }
    }
    return result;
  };
  const auto exact_x = [&](std::int64_t row, std::int64_t k) { return x.const_data_ptr<float>()[row * kIn + k]; };
  const auto half_x = [&](std::int64_t row, std::int64_t k) { return std::uint32_t{x_half[row * kDepth + k]}; };
  const auto rounded_x = [&](std::int64_t row, std::int64_t k) { return std::bit_cast<float>(half_x(row, k) << 16); };
  const auto pair_x = [&](std::int64_t row, std::int64_t k) {
    return half_x(row, 2 * k) | half_x(row, 2 * k + 1) << 16;
  };
  using FloatPanel = void (*)(const cpu::PanelTask<float, float>&);
  using HalfPanel = void (*)(const cpu::PanelTask<cpu::Bfloat16Bits, float>&);
  const auto* weights = packed.const_data_ptr<float>();
  const auto* half_weights = static_cast<const cpu::Bfloat16Bits*>(packed_half.const_data_ptr());
  for (const bool accumulate : {false, true}) {
    const auto of_floats = [&](FloatPanel panel, std::int64_t most) {
      return run(panel, tiles(most, kIn, exact_x), weights, kIn, accumulate);
    };
    const auto of_rounded = [&](HalfPanel panel, std::int64_t most) {
      return run(panel, tiles(most, kDepth, rounded_x), half_weights, kDepth, accumulate);
    };
    const torch::Tensor plain = of_floats(cpu::panel_generic, cpu::kTileRowsGeneric);
    const torch::Tensor plain_half = of_rounded(cpu::panel_generic, cpu::kTileRowsGeneric);
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) {
      EXPECT_TRUE(near(of_floats(cpu::panel_avx2, cpu::kTileRowsAvx2), plain, 1e-5));
      EXPECT_TRUE(near(of_rounded(cpu::panel_avx2, cpu::kTileRowsAvx2), plain_half, 1e-5));
    }
    if (__builtin_cpu_supports("avx512f")) {
      EXPECT_TRUE(near(of_floats(cpu::panel_avx512, cpu::kTileRowsAvx512), plain, 1e-5));
    }
    if (__builtin_cpu_supports("avx512bf16")) {
      const auto pairs = tiles(cpu::kTileRowsAvx512, kDepth / 2, pair_x);
      EXPECT_TRUE(near(run(cpu::panel_avx512_bf16, pairs, half_weights, kDepth, accumulate), plain_half, 1e-5));
    }
#endif
  }
}

TEST(PackedLinear, RoundsToBfloat16AsLibTorchDoes) {
  std::vector<float> values = {0.f,          -0.f,        1.f,           1.00390625f,
                               1.01171875f,  -3.1415926f, 3.3895314e38f, std::numeric_limits<float>::infinity(),
                               std::nanf("")};
  const torch::Tensor random = 100 * random_rows({26}, "values");
  values.insert(values.end(), random.const_data_ptr<float>(), random.const_data_ptr<float>() + random.numel());
  const auto count = static_cast<std::int64_t>(values.size());
  std::vector<void (*)(const float*, std::int64_t, cpu::Bfloat16Bits*)> ways = {cpu::round_generic};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) ways.push_back(cpu::round_avx2);
  if (__builtin_cpu_supports("avx512bf16")) ways.push_back(cpu::round_avx512_bf16);
#endif
  for (const auto way : ways) {
    std::vector<cpu::Bfloat16Bits> bits(values.size() + 1, 0x1234);
    way(values.data(), count, bits.data());
    for (std::size_t i = 0; i < values.size(); ++i) {
      const float back = std::bit_cast<float>(std::uint32_t{bits[i]} << 16);
      if (std::isnan(values[i])) {
        EXPECT_TRUE(std::isnan(back));
      } else {
        EXPECT_EQ(bits[i], c10::BFloat16(values[i]).x) << values[i];
      }
    }
    EXPECT_EQ(bits.back(), 0x1234) << "wrote past the end";
  }
}

TEST(PackedLinear, AnyStridesAndLeadingDimensions) {
  const torch::Tensor weight = random_rows({70, 96}, "weight").t().slice(0, 5, 50);  // [45, 70], not dense
  const PackedLinear packed(weight);
  const torch::Tensor x = random_rows({3, 70, 5}, "x").transpose(1, 2);  // [3, 5, 70], not dense
  const torch::Tensor y = packed.forward(x);
  EXPECT_EQ(y.sizes(), torch::IntArrayRef({3, 5, 45}));
  EXPECT_TRUE(near(y, exact(x, weight, {}), 1e-4));
  EXPECT_TRUE(near(packed.forward(x.slice(1, 1, 4, 2)), exact(x.slice(1, 1, 4, 2), weight, {}), 1e-4));
  EXPECT_TRUE(near(packed.forward(x[0][0]), exact(x[0][0], weight, {}), 1e-4));
}

TEST(PackedLinear, AccumulatesOntoAResidual) {
  const torch::Tensor weight = random_rows({40, 24}, "weight"), x = random_rows({5, 24}, "x");
  torch::Tensor y = random_rows({5, 40}, "y");
  const torch::Tensor before = y.clone();
  PackedLinear(weight).forward_rows(x.const_data_ptr<float>(), 5, y.mutable_data_ptr<float>(), true);
  EXPECT_TRUE(near(y, before + exact(x, weight, {}), 1e-4));
}

TEST(PackedLinear, RecordsNoGradient) {
  const torch::Tensor weight = random_rows({4, 3}, "weight").requires_grad_();
  const torch::Tensor y = PackedLinear(weight).forward(random_rows({2, 3}, "x").requires_grad_());
  EXPECT_FALSE(y.requires_grad());
}

TEST(PackedLinear, RefusesWhatDoesNotFit) {
  const torch::Tensor weight = random_rows({4, 3}, "weight");
  const auto pack = [](const torch::Tensor& of, const torch::Tensor& bias = {}) { return PackedLinear(of, bias); };
  EXPECT_THROW(pack({}), InputError);
  EXPECT_THROW(pack(weight[0]), InputError);
  EXPECT_THROW(pack(weight.slice(0, 0, 0)), InputError);
  EXPECT_THROW(pack(weight.to(torch::kFloat64)), InputError);
  EXPECT_THROW(pack(weight, random_rows({3}, "bias")), InputError);
  const PackedLinear packed(weight);
  EXPECT_THROW(packed.forward(torch::Tensor()), InputError);
  EXPECT_THROW(packed.forward(random_rows({2, 4}, "x")), InputError);
  EXPECT_THROW(packed.forward(random_rows({2, 3}, "x").to(torch::kFloat64)), InputError);
}

}  // namespace
}  // namespace drystill::kernels
