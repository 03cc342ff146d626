#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "vision/fused_layers.h"
#include "vision/layers.h"

// Pieces that several families of the zoo are made of.

namespace drystill::vision {

// Blocks one after another under the names "0", "1", ...: Python's nn.Sequential.
template <class Block>
class Chain : public torch::nn::Module {
 public:
  void add(std::shared_ptr<Block> block) {
    blocks_.push_back(register_module(std::to_string(blocks_.size()), std::move(block)));
  }
  torch::Tensor forward(torch::Tensor x) {
    for (auto& block : blocks_) x = block->forward(x);
    return x;
  }

 private:
  std::vector<std::shared_ptr<Block>> blocks_;
};

// Convolution "0", batch norm "1": the projection of a residual shortcut.
class Projection : public torch::nn::Module {
 public:
  Projection(std::int64_t in, std::int64_t out, std::int64_t stride)
      : convolution_(register_module(
            "0", std::make_shared<Conv2d>(ConvOptions{.in = in, .out = out, .kernel = 1, .stride = stride}))),
        batch_norm_(register_module("1", std::make_shared<BatchNorm2d>(out))) {}

  torch::Tensor forward(const torch::Tensor& x) { return conv_bn(*convolution_, *batch_norm_, x); }

 private:
  std::shared_ptr<Conv2d> convolution_;
  std::shared_ptr<BatchNorm2d> batch_norm_;
};

inline std::shared_ptr<Conv2d> conv3x3(std::int64_t in, std::int64_t out, std::int64_t stride = 1) {
  return std::make_shared<Conv2d>(ConvOptions{.in = in, .out = out, .kernel = 3, .stride = stride, .padding = 1});
}

inline std::shared_ptr<Conv2d> conv1x1(std::int64_t in, std::int64_t out, std::int64_t stride = 1) {
  return std::make_shared<Conv2d>(ConvOptions{.in = in, .out = out, .kernel = 1, .stride = stride});
}

// Mean over all pixels, in float32 whatever came in: [N, C, H, W] -> [N, C].
inline torch::Tensor global_average(const torch::Tensor& x) {
  const auto pooled = at::mean(x, {2, 3});
  return pooled.scalar_type() == torch::kFloat64 ? pooled : pooled.to(torch::kFloat32);
}

}  // namespace drystill::vision
