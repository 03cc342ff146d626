#pragma once

#include <ATen/core/Generator.h>
#include <torch/nn/module.h>
#include <torch/types.h>

#include <functional>

#include "vision/layers.h"
#include "vision/options.h"

namespace drystill::vision {

// Every image classifier of the zoo.
class Classifier : public torch::nn::Module {
 public:
  struct Output {
    torch::Tensor logits;    // [N, classes], float32 whatever the dtype of the images
    torch::Tensor features;  // [N, F]: the pooled input of the last layer
  };

  explicit Classifier(ImageSpec image = {}) : image_(std::move(image)) {}

  // `images`: [N, channels, height, width], normalised, NCHW or channels-last. InputError where they do not fit.
  virtual Output forward(const torch::Tensor& images) = 0;

  // Calls `visit` on every batch norm in registration order (that of Python's `modules()`); on none where there are
  // none.
  virtual void visit_batch_norms(const std::function<void(BatchNorm2d&)>& visit);

  // Fresh weights by the rule the architecture was published with. Reproducible: draws only from `generator`, which
  // must be on the device of the weights.
  virtual void initialise(at::Generator generator);

  // Evaluation mode and no gradient buffers: the teacher. Gradients still pass through to the images.
  void freeze();

  const ImageSpec& image() const { return image_; }

 protected:
  // InputError where `images` is not [N, channels, any, any] of a floating dtype.
  void check_images(const torch::Tensor& images) const;

 private:
  ImageSpec image_;
};

}  // namespace drystill::vision
