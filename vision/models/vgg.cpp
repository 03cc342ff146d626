#include "vision/models/vgg.h"

#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "core/error.h"
#include "vision/models/blocks.h"

namespace drystill::vision {
namespace {

constexpr std::array<std::int64_t, 5> kWidths{64, 128, 256, 512, 512};
constexpr std::int64_t kSmallestSide = 8;  // pixels: three poolings must leave one

// Convolutions a block.
std::array<std::int64_t, 5> convolutions(std::int64_t depth) {
  switch (depth) {
    case 8:
      return {1, 1, 1, 1, 1};
    case 11:
      return {1, 1, 2, 2, 2};
    case 13:
      return {2, 2, 2, 2, 2};
    case 16:
      return {2, 2, 3, 3, 3};
    case 19:
      return {2, 2, 4, 4, 4};
    default:
      throw ConfigError("[vision.make_vgg] expected depth 8, 11, 13, 16 or 19, got " + std::to_string(depth));
  }
}

// Convolution, batch norm, ReLU, ... numbered as in Python's Sequential, where each ReLU takes a number too.
class Block : public torch::nn::Module {
 public:
  Block(std::int64_t in, std::int64_t out, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
      const ConvOptions options{.in = i == 0 ? in : out, .out = out, .kernel = 3, .padding = 1, .bias = true};
      convolutions_.push_back(register_module(std::to_string(3 * i), std::make_shared<Conv2d>(options)));
      batch_norms_.push_back(register_module(std::to_string(3 * i + 1), std::make_shared<BatchNorm2d>(out)));
    }
  }

  torch::Tensor forward(torch::Tensor x) {
    for (std::size_t i = 0; i < convolutions_.size(); ++i) x = conv_bn_relu(*convolutions_[i], *batch_norms_[i], x);
    return x;
  }

 private:
  std::vector<std::shared_ptr<Conv2d>> convolutions_;
  std::vector<std::shared_ptr<BatchNorm2d>> batch_norms_;
};

class Vgg : public Classifier {
 public:
  Vgg(std::int64_t depth, const ImageSpec& image) : Classifier(image) {
    const auto counts = convolutions(depth);
    std::int64_t in = image.channels;
    for (std::size_t b = 0; b < kWidths.size(); ++b) {
      blocks_.push_back(
          register_module("block" + std::to_string(b), std::make_shared<Block>(in, kWidths[b], counts[b])));
      in = kWidths[b];
    }
    classifier_ = register_module("classifier", std::make_shared<Linear>(in, image.classes));
  }

  Output forward(const torch::Tensor& images) override {
    check_images(images);
    auto x = images;
    for (std::size_t b = 0; b < blocks_.size(); ++b) {
      x = blocks_[b]->forward(x);
      const bool pooled = b < 3 || (b == 3 && images.size(2) == 64);
      if (pooled) x = at::max_pool2d(x, {2, 2}, {2, 2});
    }
    const auto features = global_average(x);
    return {classifier_->forward(features), features};
  }

  void initialise(at::Generator generator) override {
    initialise_he_fan_out(*this, generator);
    const torch::NoGradGuard no_grad;
    torch::Tensor(classifier_->weight()).normal_(0, 0.01, generator);
    torch::Tensor(classifier_->bias()).zero_();
  }

 private:
  std::vector<std::shared_ptr<Block>> blocks_;
  std::shared_ptr<Linear> classifier_;
};

}  // namespace

std::shared_ptr<Classifier> make_vgg(std::int64_t depth, const ImageSpec& image) {
  if (image.height < kSmallestSide || image.width < kSmallestSide) {
    throw ConfigError("[vision.make_vgg] expected images of at least 8x8 pixels, got " + std::to_string(image.height) +
                      "x" + std::to_string(image.width));
  }
  return std::make_shared<Vgg>(depth, image);
}

}  // namespace drystill::vision
