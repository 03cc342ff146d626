#include "vision/layers.h"

#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>
#include <stdexcept>

#include "core/error.h"
#include "vision/batch_norm_tap.h"
#include "vision/fused_layers.h"
#include "vision/scale_shift_relu.h"
#include "vision/zoo.h"

namespace drystill::vision {
namespace {

at::Generator seeded(std::uint64_t seed = 3) {
  return at::detail::createCPUGenerator(seed);
}

double difference(const torch::Tensor& a, const torch::Tensor& b) {
  return (a.to(torch::kFloat64) - b.to(torch::kFloat64)).abs().max().item<double>();
}

void expect_uniform(const torch::Tensor& values, double bound) {
  EXPECT_LE(values.abs().max().item<double>(), bound);
  EXPECT_GT(values.abs().max().item<double>(), 0.95 * bound);
  EXPECT_NEAR(values.var().item<double>(), bound * bound / 3, 0.05 * bound * bound);
}

TEST(Layers, ConstructionDrawsNothing) {
  EXPECT_EQ(Conv2d({.in = 3, .out = 8, .kernel = 3}).weight().abs().max().item<double>(), 0);
  EXPECT_EQ(Linear(3, 8).weight().abs().max().item<double>(), 0);
}

TEST(Layers, DefaultInitialisationIsPyTorchs) {
  Conv2d convolution({.in = 16, .out = 400, .kernel = 3, .bias = true});
  convolution.initialise(seeded());
  expect_uniform(convolution.weight(), 1.0 / 12);
  expect_uniform(convolution.bias(), 1.0 / 12);
  Linear linear(64, 500);
  linear.initialise(seeded());
  expect_uniform(linear.weight(), 1.0 / 8);
  expect_uniform(linear.bias(), 1.0 / 8);
}

TEST(BatchNorm2d, TrainingModeIsTheClosedForm) {
  BatchNorm2d layer(2);
  const auto x = torch::tensor({1.0, 3.0, 5.0, 7.0, 10.0, 10.0, 10.0, 14.0}).view({2, 2, 2, 1}).to(torch::kFloat32);
  // Channel 0 holds 1, 3, 10, 10 (mean 6, sum of squares 66); channel 1 holds 5, 7, 10, 14 (mean 9, 46).
  const auto y = layer.forward(x);
  EXPECT_NEAR((y[0][0][0][0].item<double>()), (1 - 6) / std::sqrt(66.0 / 4 + 1e-5), 1e-5);
  EXPECT_NEAR((y[1][1][1][0].item<double>()), (14 - 9) / std::sqrt(46.0 / 4 + 1e-5), 1e-5);
  EXPECT_NEAR(layer.running_mean()[0].item<double>(), 0.1 * 6, 1e-6);
  EXPECT_NEAR(layer.running_var()[0].item<double>(), 0.9 + 0.1 * 66 / 3, 1e-5);  // unbiased: divided by 3
  EXPECT_NEAR(layer.running_var()[1].item<double>(), 0.9 + 0.1 * 46 / 3, 1e-5);
  EXPECT_EQ(layer.num_batches_tracked().item<std::int64_t>(), 1);
}

TEST(BatchNorm2d, EvaluationModeUsesTheRunningStatistics) {
  BatchNorm2d layer(1, {.epsilon = 0.5, .affine = false});
  EXPECT_TRUE(layer.parameters().empty());
  layer.running_mean().fill_(2);
  layer.running_var().fill_(3.5);
  layer.eval();
  EXPECT_NEAR(layer.forward(torch::full({1, 1, 1, 1}, 6.0)).item<double>(), 2, 1e-6);
  EXPECT_EQ(layer.num_batches_tracked().item<std::int64_t>(), 0);
}

TEST(BatchNorm2d, RefusesToTrainOnOneValueAChannel) {
  BatchNorm2d layer(4);
  EXPECT_THROW(layer.forward(torch::ones({1, 4, 1, 1})), InputError);
  EXPECT_EQ(layer.num_batches_tracked().item<std::int64_t>(), 0);
  EXPECT_NO_THROW(layer.forward(torch::ones({2, 4, 1, 1})));
}

TEST(BatchNormTap, SeesEveryInputOnceAndDisarms) {
  const auto network = make_classifier("wrn16_1", {}, seeded());
  network->freeze();
  std::vector<const BatchNorm2d*> registered;
  network->visit_batch_norms([&](BatchNorm2d& layer) { registered.push_back(&layer); });
  std::vector<const BatchNorm2d*> seen;
  const auto images = at::randn({2, 3, 32, 32}, seeded());
  {
    const BatchNormTap tap(*network, [&](const torch::Tensor& input, const BatchNorm2d& layer) {
      EXPECT_EQ(input.dim(), 4);
      EXPECT_EQ(input.size(1), layer.running_mean().numel());
      seen.push_back(&layer);
    });
    network->forward(images);
  }
  EXPECT_EQ(seen.size(), 13U);
  EXPECT_EQ(std::set(seen.begin(), seen.end()), std::set(registered.begin(), registered.end()));
  network->forward(images);
  EXPECT_EQ(seen.size(), 13U);
}

TEST(BatchNormTap, DisarmsWhenTheCallbackThrows) {
  const auto network = make_classifier("resnet8", {}, seeded());
  const auto fail = [](const torch::Tensor&, const BatchNorm2d&) { throw std::runtime_error("stop"); };
  EXPECT_THROW(
      {
        const BatchNormTap tap(*network, fail);
        network->forward(torch::zeros({2, 3, 32, 32}));
      },
      std::runtime_error);
  EXPECT_NO_THROW(network->forward(torch::zeros({2, 3, 32, 32})));
}

TEST(BatchNormTap, GradientFlowsFromTheTappedInput) {
  const auto network = make_classifier("resnet8", {}, seeded());
  network->freeze();
  const auto images = at::randn({2, 3, 8, 8}, seeded()).requires_grad_();
  torch::Tensor loss = torch::zeros({});
  const BatchNormTap tap(*network, [&](const torch::Tensor& input, const BatchNorm2d& layer) {
    loss = loss + (input.mean({0, 2, 3}) - layer.running_mean()).norm();
  });
  network->forward(images);
  loss.backward();
  EXPECT_GT(images.grad().abs().max().item<double>(), 0);
}

// A frozen convolution and batch norm with statistics that matter, of odd sizes.
struct Pair {
  explicit Pair(ConvOptions options) : convolution(options), batch_norm(options.out) {
    const torch::NoGradGuard no_grad;
    auto generator = seeded();
    convolution.initialise(generator);
    for (auto& tensor : {batch_norm.weight(), batch_norm.bias(), batch_norm.running_mean()}) {
      torch::Tensor(tensor).normal_(0, 1, generator);
    }
    torch::Tensor(batch_norm.running_var()).uniform_(0.1, 3, generator);
    convolution.eval();
    batch_norm.eval();
    for (auto& parameter : convolution.parameters()) parameter.requires_grad_(false);
    for (auto& parameter : batch_norm.parameters()) parameter.requires_grad_(false);
  }
  torch::Tensor plain(const torch::Tensor& x) { return batch_norm.forward(convolution.forward(x)); }

  Conv2d convolution;
  BatchNorm2d batch_norm;
};

class Fused : public ::testing::TestWithParam<ConvOptions> {};

TEST_P(Fused, EqualsPlain) {
  Pair pair(GetParam());
  const auto in = GetParam().in;
  const std::vector<torch::Tensor> inputs{at::randn({2, in, 9, 7}, seeded()), at::randn({1, in, 9, 7}, seeded()),
                                          at::randn({2, in, 9, 7}, seeded()).contiguous(at::MemoryFormat::ChannelsLast),
                                          at::randn({2, in, 7, 9}, seeded()).transpose(2, 3),
                                          at::randn({4, in, 9, 14}, seeded()).slice(3, 0, 14, 2)};
  for (const auto& x : inputs) {
    const auto expected = pair.plain(x);
    const auto residual = at::randn(expected.sizes(), seeded(9));
    EXPECT_LE(difference(conv_bn(pair.convolution, pair.batch_norm, x), expected), 2e-5);
    EXPECT_LE(difference(conv_bn_relu(pair.convolution, pair.batch_norm, x), expected.relu()), 2e-5);
    const auto kept = residual.clone();
    EXPECT_LE(
        difference(conv_bn_add_relu(pair.convolution, pair.batch_norm, x, residual), (expected + residual).relu()),
        2e-5);
    EXPECT_TRUE(torch::equal(residual, kept)) << "the residual is the caller's";
    Conv2d& alone = pair.convolution;
    EXPECT_LE(difference(conv(alone, x), alone.forward(x)), 2e-5);
    EXPECT_LE(difference(conv_relu(alone, x), alone.forward(x).relu()), 2e-5);
    EXPECT_LE(difference(conv_add(alone, x, residual), alone.forward(x) + residual), 2e-5);
  }
}

// One pixel or one channel: the layouts coincide, which a fused sum must survive.
TEST(FusedLayers, OnePixel) {
  Pair pair({.in = 4, .out = 6, .kernel = 3, .padding = 1});
  const auto x = at::randn({2, 4, 1, 1}, seeded());
  const auto residual = at::randn({2, 6, 1, 1}, seeded(9));
  EXPECT_LE(
      difference(conv_bn_add_relu(pair.convolution, pair.batch_norm, x, residual), (pair.plain(x) + residual).relu()),
      2e-5);
}

TEST_P(Fused, GradientOfTheInputEqualsPlain) {
  Pair pair(GetParam());
  const auto x = at::randn({2, GetParam().in, 9, 7}, seeded()).requires_grad_();
  const auto y = at::randn({2, GetParam().in, 9, 7}, seeded()).requires_grad_();
  conv_bn_relu(pair.convolution, pair.batch_norm, x).square().sum().backward();
  pair.plain(y).relu().square().sum().backward();
  EXPECT_LE(difference(x.grad(), y.grad()), 1e-4 * y.grad().abs().max().item<double>());
}

INSTANTIATE_TEST_SUITE_P(Shapes, Fused,
                         ::testing::Values(ConvOptions{.in = 3, .out = 5, .kernel = 3, .padding = 1},
                                           ConvOptions{.in = 16, .out = 33, .kernel = 3, .stride = 2, .padding = 1},
                                           ConvOptions{.in = 7, .out = 8, .kernel = 1, .stride = 2},
                                           ConvOptions{.in = 1, .out = 1, .kernel = 5, .bias = true}));

TEST(FusedLayers, FoldedWeightsFollowTheirSources) {
  Pair pair({.in = 4, .out = 6, .kernel = 3, .padding = 1});
  const auto x = at::randn({2, 4, 5, 5}, seeded());
  const auto expect_fresh = [&](const char* change) {
    EXPECT_LE(difference(conv_bn(pair.convolution, pair.batch_norm, x), pair.plain(x)), 2e-5) << change;
  };
  expect_fresh("as made");
  torch::Tensor(pair.convolution.weight()).mul_(2);
  expect_fresh("weight");
  torch::Tensor(pair.batch_norm.running_var()).add_(1);
  expect_fresh("running variance");
  pair.batch_norm.train();
  pair.batch_norm.forward(pair.convolution.forward(x));
  pair.batch_norm.eval();
  expect_fresh("a training step");
  torch::Tensor(pair.batch_norm.bias()).set_data(at::randn({6}, seeded()));
  expect_fresh("another tensor");
}

TEST(FusedLayers, BnReluIsOnePassOfTheSame) {
  for (const std::int64_t channels : {1, 3, 16, 33}) {
    Pair pair({.in = channels, .out = channels, .kernel = 1});
    const auto x = at::randn({3, channels, 5, 4}, seeded());
    const auto expected = pair.batch_norm.forward(x).relu();
    EXPECT_LE(difference(bn_relu(pair.batch_norm, x), expected), 1e-5);
    EXPECT_LE(difference(bn_relu(pair.batch_norm, x.contiguous(at::MemoryFormat::ChannelsLast)), expected), 1e-5);
  }
}

TEST(ScaleShiftRelu, KeepsNotANumber) {
  auto x = torch::full({1, 2, 1, 1}, std::numeric_limits<float>::quiet_NaN());
  x[0][1] = -1;
  x = x.contiguous(at::MemoryFormat::ChannelsLast);
  ASSERT_TRUE(can_scale_shift_relu(x));
  const auto y = scale_shift_relu(x, torch::ones({2}), torch::zeros({2}));
  EXPECT_TRUE(std::isnan(y[0][0].item<double>()));
  EXPECT_EQ(y[0][1].item<double>(), 0);
}

TEST(Classifier, ComputesInTheDtypeOfItsImages) {
  const auto network = make_classifier("resnet8", {}, seeded());
  const auto images = at::randn({4, 3, 32, 32}, seeded());
  network->eval();
  const auto logits = network->forward(images).logits;
  const auto half = network->forward(images.to(torch::kBFloat16)).logits;  // plain: weights need gradients
  EXPECT_EQ(half.scalar_type(), torch::kFloat32);
  EXPECT_LE(difference(half, logits), 0.05 * logits.abs().max().item<double>());
  network->freeze();
  EXPECT_LE(difference(network->forward(images.to(torch::kBFloat16)).logits, logits),
            0.05 * logits.abs().max().item<double>());
}

TEST(Classifier, FreezeDropsGradients) {
  const auto network = make_classifier("resnet8", {}, seeded());
  network->forward(torch::ones({2, 3, 32, 32})).logits.sum().backward();
  network->freeze();
  EXPECT_FALSE(network->is_training());
  for (const auto& parameter : network->parameters()) {
    EXPECT_FALSE(parameter.requires_grad());
    EXPECT_FALSE(parameter.grad().defined());
  }
}

}  // namespace
}  // namespace drystill::vision
