#include "vision/models/wide_resnet.h"

#include <string>
#include <vector>

#include "vision/models/blocks.h"

namespace drystill::vision {
namespace {

class Block : public torch::nn::Module {
 public:
  Block(std::int64_t in, std::int64_t out, std::int64_t stride)
      : bn1_(register_module("bn1", std::make_shared<BatchNorm2d>(in))),
        conv1_(register_module("conv1", conv3x3(in, out, stride))),
        bn2_(register_module("bn2", std::make_shared<BatchNorm2d>(out))),
        conv2_(register_module("conv2", conv3x3(out, out))) {
    if (in != out) shortcut_ = register_module("convShortcut", conv1x1(in, out, stride));
  }

  torch::Tensor forward(const torch::Tensor& x) {
    const auto activated = bn_relu(*bn1_, x);
    const auto inner = conv_bn_relu(*conv1_, *bn2_, activated);
    // A projection sees the activated input, the identity the raw one.
    return conv_add(*conv2_, inner, shortcut_ ? conv(*shortcut_, activated) : x);
  }

 private:
  std::shared_ptr<BatchNorm2d> bn1_;
  std::shared_ptr<Conv2d> conv1_;
  std::shared_ptr<BatchNorm2d> bn2_;
  std::shared_ptr<Conv2d> conv2_;
  std::shared_ptr<Conv2d> shortcut_;
};

class Stage : public torch::nn::Module {
 public:
  Stage(std::int64_t in, std::int64_t out, std::int64_t stride, std::int64_t blocks)
      : layer_(register_module("layer", std::make_shared<Chain<Block>>())) {
    for (std::int64_t b = 0; b < blocks; ++b) {
      layer_->add(std::make_shared<Block>(b == 0 ? in : out, out, b == 0 ? stride : 1));
    }
  }
  torch::Tensor forward(const torch::Tensor& x) { return layer_->forward(x); }

 private:
  std::shared_ptr<Chain<Block>> layer_;
};

class WideResNet : public Classifier {
 public:
  WideResNet(std::int64_t depth, std::int64_t factor, const ImageSpec& image)
      : Classifier(image), conv1_(register_module("conv1", conv3x3(image.channels, 16))) {
    const std::int64_t blocks = (depth - 4) / 6;
    std::int64_t in = 16;
    for (std::int64_t s = 0; s < 3; ++s) {
      const std::int64_t out = (16 << s) * factor;
      stages_.push_back(
          register_module("block" + std::to_string(s + 1), std::make_shared<Stage>(in, out, s == 0 ? 1 : 2, blocks)));
      in = out;
    }
    bn1_ = register_module("bn1", std::make_shared<BatchNorm2d>(in));
    fc_ = register_module("fc", std::make_shared<Linear>(in, image.classes));
  }

  Output forward(const torch::Tensor& images) override {
    check_images(images);
    auto x = conv(*conv1_, images);
    for (auto& stage : stages_) x = stage->forward(x);
    const auto features = global_average(bn_relu(*bn1_, x));
    return {fc_->forward(features), features};
  }

  void initialise(at::Generator generator) override {
    initialise_he_fan_out(*this, generator);
    const torch::NoGradGuard no_grad;
    torch::Tensor(fc_->bias()).zero_();
  }

 private:
  std::shared_ptr<Conv2d> conv1_;
  std::vector<std::shared_ptr<Stage>> stages_;
  std::shared_ptr<BatchNorm2d> bn1_;
  std::shared_ptr<Linear> fc_;
};

}  // namespace

std::shared_ptr<Classifier> make_wide_resnet(std::int64_t depth, std::int64_t factor, const ImageSpec& image) {
  return std::make_shared<WideResNet>(depth, factor, image);
}

}  // namespace drystill::vision
