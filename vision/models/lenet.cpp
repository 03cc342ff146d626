#include "vision/models/lenet.h"

#include <sstream>

#include "core/error.h"
#include "vision/models/blocks.h"

namespace drystill::vision {
namespace {

constexpr std::int64_t kSide = 32;  // pixels

std::shared_ptr<Conv2d> conv5x5(std::int64_t in, std::int64_t out) {
  return std::make_shared<Conv2d>(ConvOptions{.in = in, .out = out, .kernel = 5, .bias = true});
}

torch::Tensor pool(const torch::Tensor& x) {
  return at::max_pool2d(x, {2, 2}, {2, 2});
}

class LeNet : public Classifier {
 public:
  LeNet(std::int64_t divisor, const ImageSpec& image)
      : Classifier(image),
        conv1_(register_module("conv1", conv5x5(image.channels, 6 / divisor))),
        conv2_(register_module("conv2", conv5x5(6 / divisor, 16 / divisor))),
        conv3_(register_module("conv3", conv5x5(16 / divisor, 120 / divisor))),
        fc1_(register_module("fc1", std::make_shared<Linear>(120 / divisor, 84 / divisor))),
        fc2_(register_module("fc2", std::make_shared<Linear>(84 / divisor, image.classes))) {}

  Output forward(const torch::Tensor& images) override {
    check_images(images);
    if (images.size(2) != kSide || images.size(3) != kSide) {
      std::ostringstream message;
      message << "[vision.LeNet] expected images of 32x32 pixels, got " << images.sizes() << "; pad or resize them";
      throw InputError(message.str());
    }
    auto x = pool(conv_relu(*conv1_, images));
    x = pool(conv_relu(*conv2_, x));
    x = conv_relu(*conv3_, x).flatten(1);
    if (x.scalar_type() != torch::kFloat64) x = x.to(torch::kFloat32);
    const auto features = fc1_->forward(x).relu_();
    return {fc2_->forward(features), features};
  }

 private:
  std::shared_ptr<Conv2d> conv1_;
  std::shared_ptr<Conv2d> conv2_;
  std::shared_ptr<Conv2d> conv3_;
  std::shared_ptr<Linear> fc1_;
  std::shared_ptr<Linear> fc2_;
};

}  // namespace

std::shared_ptr<Classifier> make_lenet5(bool half, const ImageSpec& image) {
  if (image.height != kSide || image.width != kSide) {
    throw ConfigError("[vision.make_lenet5] expected images of 32x32 pixels, got " + std::to_string(image.height) +
                      "x" + std::to_string(image.width) + "; set height and width to 32 (smaller images are padded)");
  }
  return std::make_shared<LeNet>(half ? 2 : 1, image);
}

}  // namespace drystill::vision
