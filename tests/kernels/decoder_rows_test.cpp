#include "kernels/decoder_rows.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/seeds.h"
#include "kernels/paged_attention.h"
#include "tests/kernels/matchers.h"

namespace drystill::kernels {
namespace {

using drystill::testing::near;

torch::Tensor values(std::vector<std::int64_t> shape, const std::string& name, double scale = 1) {
  SeedStreams seeds(41);
  return scale * at::randn(shape, seeds.cpu_stream(name), torch::kFloat32);
}

const float* in(const torch::Tensor& tensor) {
  return tensor.const_data_ptr<float>();
}

class DecoderRows : public ::testing::TestWithParam<std::int64_t> {};

TEST_P(DecoderRows, NormsAndActivationsOfLibTorch) {
  const std::int64_t width = GetParam();
  for (const std::int64_t rows : {1, 3, 70}) {
    SCOPED_TRACE(rows);
    const torch::Tensor x = values({rows, width}, "x", 4) + 3, weight = values({width}, "weight");
    const torch::Tensor bias = values({width}, "bias");
    torch::Tensor y = at::empty_like(x);
    auto* out = y.mutable_data_ptr<float>();
    const torch::Tensor wide = x.to(torch::kFloat64);

    rms_norm_rows(in(x), in(weight), rows, width, 1e-5, out);
    EXPECT_TRUE(near(y, wide * at::rsqrt((wide * wide).mean(1, true) + 1e-5) * weight, 2e-6));
    layer_norm_rows(in(x), in(weight), in(bias), rows, width, 1e-5, out);
    EXPECT_TRUE(
        near(y, at::layer_norm(wide, {width}, weight.to(torch::kFloat64), bias.to(torch::kFloat64), 1e-5), 5e-6));
    gelu_tanh_rows(in(x), rows, width, out);
    EXPECT_TRUE(near(y, at::gelu(wide, "tanh"), 2e-6));
    const torch::Tensor gate = values({rows, width}, "gate", 5), gate_up = at::cat({gate, x}, 1);
    gated_silu_rows(in(gate_up), rows, width, out);
    EXPECT_TRUE(near(y, at::silu(gate.to(torch::kFloat64)) * x, 2e-6));

    torch::Tensor same = x.clone();
    rms_norm_rows(in(same), in(weight), rows, width, 1e-5, same.mutable_data_ptr<float>());
    rms_norm_rows(in(x), in(weight), rows, width, 1e-5, out);
    EXPECT_TRUE(same.equal(y));
  }
}

INSTANTIATE_TEST_SUITE_P(Widths, DecoderRows, ::testing::Values(1, 7, 8, 9, 31, 64, 576, 1537));

TEST(DecoderRows, RotationKnownAnswers) {
  // head_dim 4, theta 10^4: the angles of a position p are p and p / 100.
  torch::Tensor x = at::cat({values({3, 4}, "other"), values({1, 4}, "other")});
  const std::vector<float> given = {1, 2, 3, 4},
                           expected = {3.1604350095f, 1.7975838437f, -0.1079377183f, 4.0949593801f};
  for (int i = 0; i < 4; ++i) x[2][i] = given[i];
  const float cosine[] = {std::cos(5.f), std::cos(0.05f)}, sine[] = {std::sin(5.f), std::sin(0.05f)};
  rotate_heads(x.mutable_data_ptr<float>(), 4, 2, cosine, sine);
  for (int i = 0; i < 4; ++i) EXPECT_NEAR(x[2][i].item<float>(), expected[i], 1e-5);
}

constexpr std::int64_t kLengths[] = {1, 2, 15, 16, 17, 63, 64, 65, 200};

struct AttentionCase {
  std::int64_t heads, kv_heads, head_dim;
};

class PagedAttention : public ::testing::TestWithParam<AttentionCase> {};

// The pages of one sequence, filled with keys and values [kv_heads, T, head_dim] in every layer.
struct Pages {
  std::vector<torch::Tensor> tensors;
  std::vector<void*> pointers;

  Pages(const PageLayout& layout, const torch::Tensor& keys, const torch::Tensor& stored) {
    for (std::int64_t t = 0; t < keys.size(1); ++t) {
      if (t % PageLayout::kPositions == 0) {
        tensors.push_back(
            at::empty({layout.page_values()}, layout.type).fill_(std::nan("")));  // nothing is read unwritten
        pointers.push_back(tensors.back().mutable_data_ptr());
      }
      const torch::Tensor key = keys.select(1, t).contiguous(), value = stored.select(1, t).contiguous();
      for (std::int64_t layer = 0; layer < layout.layers; ++layer) {
        const torch::Tensor mine = key + static_cast<double>(layer);
        store_token(layout, pointers.back(), layer, t % PageLayout::kPositions, in(mine), in(value));
      }
    }
  }
};

TEST_P(PagedAttention, IsScaledDotProductAttention) {
  const auto [heads, kv_heads, head_dim] = GetParam();
  for (const auto type : {torch::kFloat32, torch::kBFloat16}) {
    const PageLayout layout{.layers = 2, .kv_heads = kv_heads, .head_dim = head_dim, .type = type};
    const double scale = 1 / std::sqrt(static_cast<double>(head_dim));
    std::vector<Pages> pages;
    std::vector<torch::Tensor> queries, outputs, expected;
    std::vector<AttentionRow> rows;
    for (const std::int64_t length : kLengths) {
      const std::string name = std::to_string(length);
      const auto rounded = [&](const torch::Tensor& tensor) { return tensor.to(type).to(torch::kFloat32); };
      const torch::Tensor keys = rounded(values({kv_heads, length, head_dim}, "k" + name, 2));
      const torch::Tensor stored = rounded(values({kv_heads, length, head_dim}, "v" + name));
      pages.emplace_back(layout, keys, stored);
      queries.push_back(values({heads, head_dim}, "q" + name));
      outputs.push_back(at::zeros({heads, head_dim}));
      const auto repeated = [&](const torch::Tensor& tensor) {
        return tensor.to(torch::kFloat64).repeat_interleave(heads / kv_heads, 0).unsqueeze(0);
      };
      expected.push_back(
          at::scaled_dot_product_attention(queries.back().to(torch::kFloat64).view({1, heads, 1, head_dim}),
                                           repeated(rounded(keys + 1.0)), repeated(stored), {}, 0, false, scale)
              .view({heads, head_dim}));
    }
    for (std::size_t i = 0; i < pages.size(); ++i) {
      rows.push_back({in(queries[i]), outputs[i].mutable_data_ptr<float>(), pages[i].pointers.data(), kLengths[i]});
    }
    paged_attention(layout, 1, heads, scale, rows);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      EXPECT_TRUE(near(outputs[i], expected[i], 2e-5)) << type << " length " << rows[i].length;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, PagedAttention,
                         ::testing::Values(AttentionCase{1, 1, 4}, AttentionCase{9, 3, 64}, AttentionCase{4, 2, 24},
                                           AttentionCase{5, 1, 17}, AttentionCase{12, 1, 128}, AttentionCase{2, 2, 16}),
                         [](const auto& test) {
                           return std::to_string(test.param.heads) + "_" + std::to_string(test.param.kv_heads) + "_" +
                                  std::to_string(test.param.head_dim);
                         });

}  // namespace
}  // namespace drystill::kernels
