#include "vision/models/resnet.h"

#include <string>
#include <vector>

#include "vision/models/blocks.h"

namespace drystill::vision {
namespace {

// What differs between the two published families.
struct Plan {
  std::vector<std::int64_t> widths;  // a stage; the first is also the stem's
  std::vector<std::int64_t> blocks;  // a stage
  bool bottleneck;
  std::string shortcut;  // state-dict name of a projection
  std::string head;      // state-dict name of the last layer
  bool he_fan_out;       // else PyTorch's default weights
};

class Block : public torch::nn::Module {
 public:
  virtual torch::Tensor forward(const torch::Tensor& x) = 0;

 protected:
  void add_projection(const Plan& plan, std::int64_t in, std::int64_t out, std::int64_t stride) {
    if (stride != 1 || in != out) {
      projection_ = register_module(plan.shortcut, std::make_shared<Projection>(in, out, stride));
    }
  }
  torch::Tensor residual(const torch::Tensor& x) { return projection_ ? projection_->forward(x) : x; }

 private:
  std::shared_ptr<Projection> projection_;
};

class BasicBlock : public Block {
 public:
  BasicBlock(const Plan& plan, std::int64_t in, std::int64_t width, std::int64_t stride)
      : conv1_(register_module("conv1", conv3x3(in, width, stride))),
        bn1_(register_module("bn1", std::make_shared<BatchNorm2d>(width))),
        conv2_(register_module("conv2", conv3x3(width, width))),
        bn2_(register_module("bn2", std::make_shared<BatchNorm2d>(width))) {
    add_projection(plan, in, width, stride);
  }

  torch::Tensor forward(const torch::Tensor& x) override {
    const auto inner = conv_bn_relu(*conv1_, *bn1_, x);
    return conv_bn_add_relu(*conv2_, *bn2_, inner, residual(x));
  }

 private:
  std::shared_ptr<Conv2d> conv1_;
  std::shared_ptr<BatchNorm2d> bn1_;
  std::shared_ptr<Conv2d> conv2_;
  std::shared_ptr<BatchNorm2d> bn2_;
};

class Bottleneck : public Block {
 public:
  static constexpr std::int64_t kExpansion = 4;

  Bottleneck(const Plan& plan, std::int64_t in, std::int64_t width, std::int64_t stride)
      : conv1_(register_module("conv1", conv1x1(in, width))),
        bn1_(register_module("bn1", std::make_shared<BatchNorm2d>(width))),
        conv2_(register_module("conv2", conv3x3(width, width, stride))),
        bn2_(register_module("bn2", std::make_shared<BatchNorm2d>(width))),
        conv3_(register_module("conv3", conv1x1(width, kExpansion * width))),
        bn3_(register_module("bn3", std::make_shared<BatchNorm2d>(kExpansion * width))) {
    add_projection(plan, in, kExpansion * width, stride);
  }

  torch::Tensor forward(const torch::Tensor& x) override {
    const auto reduced = conv_bn_relu(*conv1_, *bn1_, x);
    const auto inner = conv_bn_relu(*conv2_, *bn2_, reduced);
    return conv_bn_add_relu(*conv3_, *bn3_, inner, residual(x));
  }

 private:
  std::shared_ptr<Conv2d> conv1_;
  std::shared_ptr<BatchNorm2d> bn1_;
  std::shared_ptr<Conv2d> conv2_;
  std::shared_ptr<BatchNorm2d> bn2_;
  std::shared_ptr<Conv2d> conv3_;
  std::shared_ptr<BatchNorm2d> bn3_;
};

class ResNet : public Classifier {
 public:
  ResNet(const Plan& plan, const ImageSpec& image)
      : Classifier(image),
        he_fan_out_(plan.he_fan_out),
        conv1_(register_module("conv1", conv3x3(image.channels, plan.widths.front()))),
        bn1_(register_module("bn1", std::make_shared<BatchNorm2d>(plan.widths.front()))) {
    std::int64_t in = plan.widths.front();
    for (std::size_t s = 0; s < plan.widths.size(); ++s) {
      auto stage = std::make_shared<Chain<Block>>();
      for (std::int64_t b = 0; b < plan.blocks[s]; ++b) {
        const std::int64_t stride = s > 0 && b == 0 ? 2 : 1;
        if (plan.bottleneck) {
          stage->add(std::make_shared<Bottleneck>(plan, in, plan.widths[s], stride));
          in = Bottleneck::kExpansion * plan.widths[s];
        } else {
          stage->add(std::make_shared<BasicBlock>(plan, in, plan.widths[s], stride));
          in = plan.widths[s];
        }
      }
      stages_.push_back(register_module("layer" + std::to_string(s + 1), stage));
    }
    head_ = register_module(plan.head, std::make_shared<Linear>(in, image.classes));
  }

  Output forward(const torch::Tensor& images) override {
    check_images(images);
    auto x = conv_bn_relu(*conv1_, *bn1_, images);
    for (auto& stage : stages_) x = stage->forward(x);
    const auto features = global_average(x);
    return {head_->forward(features), features};
  }

  void initialise(at::Generator generator) override {
    he_fan_out_ ? initialise_he_fan_out(*this, generator) : vision::initialise(*this, generator);
  }

 private:
  bool he_fan_out_;
  std::shared_ptr<Conv2d> conv1_;
  std::shared_ptr<BatchNorm2d> bn1_;
  std::vector<std::shared_ptr<Chain<Block>>> stages_;
  std::shared_ptr<Linear> head_;
};

}  // namespace

std::shared_ptr<Classifier> make_resnet_cifar(std::int64_t depth, const ImageSpec& image) {
  Plan plan{.widths = {64, 128, 256, 512},
            .blocks = depth == 18 ? std::vector<std::int64_t>{2, 2, 2, 2} : std::vector<std::int64_t>{3, 4, 6, 3},
            .bottleneck = depth == 50,
            .shortcut = "shortcut",
            .head = "linear",
            .he_fan_out = false};
  return std::make_shared<ResNet>(plan, image);
}

std::shared_ptr<Classifier> make_resnet_small(std::int64_t depth, const ImageSpec& image) {
  const std::int64_t n = (depth - 2) / 6;
  Plan plan{.widths = {16, 32, 64},
            .blocks = {n, n, n},
            .bottleneck = false,
            .shortcut = "downsample",
            .head = "fc",
            .he_fan_out = true};
  return std::make_shared<ResNet>(plan, image);
}

}  // namespace drystill::vision
