#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/vision/golden.h"
#include "tests/vision/hashed_weights.h"
#include "vision/batch_norm_tap.h"
#include "vision/zoo.h"

// Logits, gradients and running statistics of whole networks against PyTorch (tools/make_golden_vision.py).

namespace drystill::vision {
namespace {

using Tensors = std::map<std::string, torch::Tensor>;

const Tensors& golden() {
  static const auto tensors = testing::read_golden("classifier");
  return tensors;
}

double difference(const torch::Tensor& a, const torch::Tensor& b) {
  return (a.to(torch::kFloat64) - b.to(torch::kFloat64)).abs().max().item<double>();
}

double largest(const torch::Tensor& a) {
  return a.abs().max().item<double>();
}

// Loads by name; a name or shape that only one side has fails the test.
void load(torch::nn::Module& module, const Tensors& state) {
  const torch::NoGradGuard no_grad;
  std::size_t used = 0;
  const auto copy = [&](const std::string& name, torch::Tensor destination) {
    ASSERT_TRUE(state.contains(name)) << name;
    ASSERT_EQ(state.at(name).sizes(), destination.sizes()) << name;
    destination.copy_(state.at(name));
    ++used;
  };
  for (auto& item : module.named_parameters()) copy(item.key(), item.value());
  for (auto& item : module.named_buffers()) copy(item.key(), item.value());
  EXPECT_EQ(used, state.size());
}

class GoldenClassifier : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    ImageSpec image;
    if (GetParam() == "lenet5") image.channels = 1;
    network_ = make_classifier(GetParam(), image, at::detail::createCPUGenerator(1));
    const auto state = testing::part(golden(), GetParam() + ".state.");
    if (state.empty()) {
      testing::fill_hashed(*network_);
    } else {
      load(*network_, state);
    }
    images_ = testing::hashed_images(4, image.channels);
  }

  torch::Tensor expected(const std::string& what) const { return golden().at(GetParam() + "." + what); }

  // d(sum of logits times a fixed tensor) / d(images)
  torch::Tensor input_gradient(const torch::Tensor& images) {
    const auto leaf = images.detach().clone().requires_grad_();
    const auto logits = network_->forward(leaf).logits;
    (logits * testing::hashed("cotangent", logits.sizes()).to(torch::kFloat32)).sum().backward();
    return leaf.grad();
  }

  std::shared_ptr<Classifier> network_;
  torch::Tensor images_;
};

TEST_P(GoldenClassifier, EvaluationMode) {
  network_->freeze();
  const auto expect_golden = [&](const Classifier::Output& output, const char* path) {
    const double tolerance = 1e-4 * std::min(1.0, largest(expected("logits")));
    EXPECT_LE(difference(output.logits, expected("logits")), tolerance) << path;
    EXPECT_LE(difference(output.features, expected("features")), 1e-4) << path;
  };
  const auto channels_last = images_.contiguous(at::MemoryFormat::ChannelsLast);
  expect_golden(network_->forward(images_), "fused");
  expect_golden(network_->forward(channels_last), "fused, channels-last");
  const BatchNormTap tap(*network_, [](const torch::Tensor&, const BatchNorm2d&) {});
  expect_golden(network_->forward(images_), "plain");
  expect_golden(network_->forward(channels_last), "plain, channels-last");
}

TEST_P(GoldenClassifier, GradientReachesTheImagesThroughAFrozenNetwork) {
  network_->freeze();
  // In the norm, not entry by entry: a unit within rounding of zero may switch its ReLU between two equal paths, which
  // moves a few entries of a deep network's gradient and none of its direction.
  const auto distance = [&](const torch::Tensor& gradient) {
    const auto golden = expected("input_gradient").to(torch::kFloat64);
    return ((gradient.to(torch::kFloat64) - golden).norm() / golden.norm()).item<double>();
  };
  const double tolerance = 1e-2;
  const auto channels_last = images_.contiguous(at::MemoryFormat::ChannelsLast);
  EXPECT_LE(distance(input_gradient(images_)), tolerance) << "folded";
  EXPECT_LE(distance(input_gradient(channels_last)), tolerance) << "folded, channels-last";
  {
    const BatchNormTap tap(*network_, [](const torch::Tensor&, const BatchNorm2d&) {});
    EXPECT_LE(distance(input_gradient(images_)), tolerance) << "plain";
  }
  for (const auto& parameter : network_->parameters()) EXPECT_FALSE(parameter.grad().defined());
}

TEST_P(GoldenClassifier, TrainingModeMovesTheRunningStatistics) {
  network_->train();
  const auto before = network_->forward(images_).logits;
  EXPECT_LE(difference(before, expected("train_logits")), 1e-4);
  for (const auto& item : network_->named_buffers()) {
    const auto reference = expected("after." + item.key());
    EXPECT_LE(difference(item.value(), reference), 1e-5 * std::max(1.0, largest(reference))) << item.key();
  }
}

// The folded weights are a cache: training after an evaluation, and evaluating again, must not see old ones.
TEST_P(GoldenClassifier, EvaluationAfterTrainingSeesTheNewStatistics) {
  network_->eval();
  {
    const torch::NoGradGuard no_grad;
    network_->forward(images_);
    network_->train();
    network_->forward(images_);
    network_->eval();
  }
  const auto plain = network_->forward(images_).logits.detach();  // weights need gradients: not folded
  const torch::NoGradGuard no_grad;
  EXPECT_LE(difference(network_->forward(images_).logits, plain), 1e-4 * std::max(1.0, largest(plain)));
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenClassifier,
                         ::testing::Values("resnet8", "resnet18", "wrn40_2", "vgg11", "lenet5"),
                         [](const auto& model) { return model.param; });

}  // namespace
}  // namespace drystill::vision
