// CUDA against the float64 reference on the CPU. A program of its own: only built with CUDA, only run where a GPU is.
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "core/seeds.h"
#include "kernels/batch_statistics.h"
#include "kernels/batch_statistics_reference.h"
#include "kernels/divergence.h"
#include "kernels/divergence_reference.h"
#include "kernels/token_divergence.h"
#include "kernels/token_divergence_reference.h"
#include "tests/kernels/matchers.h"
#include "tests/kernels/token_divergence_cases.h"

namespace drystill::kernels {
namespace {

using drystill::testing::near;

torch::Tensor random(std::vector<std::int64_t> shape, const std::string& name = "test") {
  SeedStreams seeds(7);  // drawn on the CPU: the same values whatever the device
  return at::randn(shape, seeds.cpu_stream(name), torch::kFloat32);
}

torch::Tensor on_gpu(const torch::Tensor& values) {
  return values.detach().to(torch::kCUDA).requires_grad_();
}

// The same values as an exact leaf on the CPU.
torch::Tensor exact(const torch::Tensor& values) {
  return values.detach().cpu().to(torch::kFloat64).requires_grad_();
}

torch::Tensor gradient_of(const torch::Tensor& output, const torch::Tensor& input) {
  return torch::autograd::grad({output}, {input})[0];
}

const std::vector<std::vector<std::int64_t>> kShapes = {
    {1, 1, 1, 1},  {1, 32, 1, 1},    {7, 31, 1, 1},   {1, 33, 3, 5},     {2, 257, 4, 4}, {64, 16, 8, 8}, {130, 3, 6, 6},
    {5, 32, 7, 7}, {1, 2, 101, 100}, {33, 512, 2, 2}, {128, 64, 32, 32}, {1000, 31},     {4097, 264},    {9, 1},
};

std::vector<torch::Tensor> forms(const torch::Tensor& values) {
  std::vector<torch::Tensor> all;
  for (const auto type : {torch::kFloat32, torch::kBFloat16}) {
    all.push_back(on_gpu(values.to(type)));
    if (values.dim() != 4) continue;
    all.push_back(on_gpu(values.to(type).contiguous(at::MemoryFormat::ChannelsLast)));
    all.push_back(on_gpu(values.to(type)).detach().transpose(2, 3).contiguous().transpose(2, 3).requires_grad_());
  }
  return all;
}

TEST(CudaBatchStatistics, EqualsTheReference) {
  for (const auto& shape : kShapes) {
    for (const torch::Tensor& input : forms(random(shape) * 2 + 1)) {
      SCOPED_TRACE(c10::str(input.sizes(), " ", input.strides(), " ", input.scalar_type()));
      const torch::Tensor expected_input = exact(input);
      const BatchStatistics actual = batch_statistics(input), expected = batch_statistics_reference(expected_input);
      EXPECT_TRUE(near(actual.mean, expected.mean, 1e-6));
      EXPECT_TRUE(near(actual.variance, expected.variance, 5e-6));

      const torch::Tensor weight = random({shape[1]}, "weight");
      const torch::Tensor gradient = gradient_of((actual.mean * weight.cuda() + actual.variance).sum(), input);
      const torch::Tensor exact_gradient =
          gradient_of((expected.mean * weight + expected.variance).sum(), expected_input);
      const bool narrow = input.scalar_type() == torch::kBFloat16;
      EXPECT_TRUE(near(gradient, exact_gradient, narrow ? 5e-3 : 1e-5, 1e-3));
    }
  }
}

TEST(CudaBatchStatistics, KeepsDigitsUnderALargeMean) {
  for (const torch::Tensor& input : forms(random({16, 20, 9, 9}) + 1e4)) {
    if (input.scalar_type() == torch::kBFloat16) continue;
    EXPECT_TRUE(near(batch_statistics(input).variance, batch_statistics_reference(exact(input)).variance, 1e-4));
  }
}

TEST(CudaBatchStatistics, SameBitsEveryTime) {
  const torch::Tensor input = on_gpu(random({128, 64, 32, 32}));
  const BatchStatistics first = batch_statistics(input), second = batch_statistics(input);
  EXPECT_TRUE(first.mean.equal(second.mean) && first.variance.equal(second.variance));
}

TEST(CudaBatchNormDistance, EqualsTheReference) {
  for (const auto& shape : kShapes) {
    const torch::Tensor mean = random({shape[1]}, "mean"), variance = random({shape[1]}, "variance").abs() + 0.1;
    for (const torch::Tensor& input : forms(random(shape) + 1)) {
      SCOPED_TRACE(c10::str(input.sizes(), " ", input.strides(), " ", input.scalar_type()));
      const torch::Tensor expected_input = exact(input);
      const torch::Tensor actual = batch_norm_distance(input, mean.cuda(), variance.cuda());
      const torch::Tensor expected = batch_norm_distance_reference(expected_input, mean, variance);
      EXPECT_TRUE(near(actual, expected, 1e-5));
      const torch::Tensor gradient = gradient_of(actual * 3, input);
      const bool narrow = input.scalar_type() == torch::kBFloat16;
      EXPECT_TRUE(near(gradient, gradient_of(expected * 3, expected_input), narrow ? 5e-3 : 1e-5, 1e-3));
      EXPECT_EQ(gradient.scalar_type(), input.scalar_type());
    }
  }
}

TEST(CudaBatchNormDistance, NoGradientWhereTheRootIsZero) {
  const torch::Tensor input = on_gpu(random({16, 5}));
  const BatchStatistics batch = batch_statistics(input.detach());
  const torch::Tensor distance = batch_norm_distance(input, batch.mean, batch.variance);
  EXPECT_EQ(distance.item<float>(), 0.f);
  EXPECT_EQ(gradient_of(distance, input).abs().max().item<float>(), 0.f);
}

TEST(CudaDivergence, EqualsTheReference) {
  for (const auto kind : {DivergenceKind::kForwardKl, DivergenceKind::kReverseKl, DivergenceKind::kJensenShannon,
                          DivergenceKind::kL1, DivergenceKind::kMse}) {
    for (const std::int64_t classes : {1, 10, 31, 32, 33, 100, 257, 1000, 1025, 5000}) {
      for (const auto type : {torch::kFloat32, torch::kBFloat16}) {
        SCOPED_TRACE(c10::str(enum_name(kind), " ", classes, " ", type));
        const DivergenceOptions options{.kind = kind, .temperature = 3};
        const torch::Tensor student = on_gpu((3 * random({37, classes}, "student")).to(type));
        const torch::Tensor teacher = on_gpu((3 * random({37, classes}, "teacher")).to(type));
        const torch::Tensor weights = random({37}, "weights").clamp_min(0), upstream = random({37}, "upstream");
        const torch::Tensor s = exact(student), t = exact(teacher);
        const torch::Tensor actual = divergence(student, teacher, options, weights.cuda());
        const torch::Tensor expected = divergence_reference(s, t, options, weights);
        EXPECT_TRUE(near(actual, expected, 2e-5));
        const auto gradients = torch::autograd::grad({(actual * upstream.cuda()).sum()}, {student, teacher});
        const auto exact_gradients = torch::autograd::grad({(expected * upstream).sum()}, {s, t});
        const bool narrow = type == torch::kBFloat16;
        for (std::size_t i = 0; i < 2; ++i) {
          EXPECT_TRUE(near(gradients[i], exact_gradients[i], narrow ? 5e-3 : 2e-5, narrow ? 1e-2 : 1)) << i;
        }
      }
    }
  }
}

TEST(CudaDivergence, ExtremeLogitsAndSkippedRows) {
  torch::Tensor values = 1e4 * random({4, 20}, "student").sign();
  values.select(0, 2).fill_(std::numeric_limits<float>::quiet_NaN());
  const torch::Tensor student = on_gpu(values), teacher = on_gpu(1e4 * random({4, 20}, "teacher").sign());
  const torch::Tensor loss = divergence(student, teacher, {}, torch::tensor({1.f, 1.f, 0.f, 1.f}).cuda());
  EXPECT_TRUE(loss.isfinite().all().item<bool>());
  EXPECT_EQ(loss[2].item<float>(), 0.f);
  const torch::Tensor gradient = gradient_of(loss.sum(), student);
  EXPECT_TRUE(gradient.isfinite().all().item<bool>());
  EXPECT_EQ(gradient[2].abs().max().item<float>(), 0.f);
}

TEST(CudaTokenDivergence, EqualsTheReference) {
  const torch::Tensor teacher = 2 * random({9, 1000}, "teacher"), weights = random({9}, "weights").clamp_min(0);
  for (const auto& [name, options] : testing::token_cases({.beta = .3, .k = 20, .temperature = 1.5})) {
    const torch::Tensor student = on_gpu(2 * random({9, 1000}, "student")), wide = exact(student);
    const torch::Tensor loss = token_divergence(student, teacher.cuda(), options, weights.cuda());
    const torch::Tensor expected = token_divergence_reference(wide, teacher.to(torch::kFloat64), options, weights);
    EXPECT_TRUE(near(loss, expected, 1e-5)) << name;
    EXPECT_TRUE(near(gradient_of(loss.sum(), student), gradient_of(expected.sum(), wide), 1e-5)) << name;
  }
}

TEST(CudaTokenDivergence, FusedHeadEqualsTheCpu) {
  const HeadInput teacher{random({50, 24}, "teacher_hidden"), random({1000, 24}, "teacher_weight")};
  const HeadInput on_device{teacher.hidden.cuda(), teacher.weight.cuda()};
  const torch::Tensor weights = random({50}, "weights").clamp_min(0);
  for (const auto& [name, options] : testing::token_cases({.k = 20})) {
    const HeadInput student{on_gpu(random({50, 16}, "hidden")), on_gpu(random({1000, 16}, "weight"))};
    const HeadInput wide{exact(student.hidden), exact(student.weight)};
    const FusedTokenDivergenceOptions fused{.normaliser = 30, .metrics = true, .chunk_rows = 16};
    const auto actual = fused_token_divergence(student, on_device, options, weights.cuda(), fused);
    const auto expected =
        fused_token_divergence(wide, HeadInput{teacher.hidden.to(torch::kFloat64), teacher.weight.to(torch::kFloat64)},
                               options, weights, fused);
    EXPECT_TRUE(near(actual.loss, expected.loss, 1e-5)) << name;
    EXPECT_EQ(actual.agreements.item<std::int64_t>(), expected.agreements.item<std::int64_t>()) << name;
    EXPECT_TRUE(near(actual.token_kl, expected.token_kl, 1e-5)) << name;
    const auto gradients = torch::autograd::grad({actual.loss}, {student.hidden, student.weight});
    const auto exact_gradients = torch::autograd::grad({expected.loss}, {wide.hidden, wide.weight});
    EXPECT_TRUE(near(gradients[0], exact_gradients[0], 2e-5)) << name;
    EXPECT_TRUE(near(gradients[1], exact_gradients[1], 2e-5)) << name;
  }
}

}  // namespace
}  // namespace drystill::kernels
