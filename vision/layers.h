#pragma once

#include <ATen/core/Generator.h>
#include <torch/nn/module.h>
#include <torch/types.h>

#include <cstdint>
#include <functional>

#include "vision/inference_convolution.h"

// The layers of the zoo and of the generators. Parameters and buffers carry PyTorch's names, so state dicts match.
//
// Construction draws no random numbers: weights are zero until `initialise` is called with an explicit generator.
//
// Layers compute in the dtype of their input while the parameters keep their own: bfloat16 images through float32
// weights is mixed precision with master weights, with no global autocast switch.

namespace drystill::vision {

// A layer with weights of its own.
class Layer : public torch::nn::Module {
 public:
  // Draws fresh weights from PyTorch's default distribution for this layer, in place.
  virtual void initialise(at::Generator generator) = 0;
};

struct ConvOptions {
  std::int64_t in;
  std::int64_t out;
  std::int64_t kernel;
  std::int64_t stride = 1;
  std::int64_t padding = 0;
  bool bias = false;
};

// Square two-dimensional convolution, one group.
class Conv2d : public Layer {
 public:
  explicit Conv2d(const ConvOptions& options);

  torch::Tensor forward(const torch::Tensor& x) const;  // [N, in, H, W] -> [N, out, H', W']
  void initialise(at::Generator generator) override;    // U(-b, b), b = 1 / sqrt(in * kernel^2), bias too
  void train(bool on = true) override;

  const ConvOptions& options() const { return options_; }
  const torch::Tensor& weight() const { return weight_; }  // [out, in, kernel, kernel]
  const torch::Tensor& bias() const { return bias_; }      // [out], undefined where there is none

  // Where `fused_layers` keeps this convolution's weights as it runs them.
  InferenceConvolution& prepared() { return prepared_; }

 private:
  ConvOptions options_;
  torch::Tensor weight_;
  torch::Tensor bias_;
  InferenceConvolution prepared_;
};

class Linear : public Layer {
 public:
  Linear(std::int64_t in, std::int64_t out, bool bias = true);

  torch::Tensor forward(const torch::Tensor& x) const;  // [..., in] -> [..., out]
  void initialise(at::Generator generator) override;    // U(-b, b), b = 1 / sqrt(in), bias too

  const torch::Tensor& weight() const { return weight_; }  // [out, in]
  const torch::Tensor& bias() const { return bias_; }      // [out], undefined where there is none

 private:
  torch::Tensor weight_;
  torch::Tensor bias_;
};

struct BatchNormOptions {
  double epsilon = 1e-5;
  double momentum = 0.1;
  bool affine = true;
};

// Batch normalisation over [N, C, H, W] (and [N, C]). In training mode the batch's own statistics normalise and move
// the running ones (the running variance from the unbiased estimate, as PyTorch does); in evaluation mode the running
// ones normalise.
class BatchNorm2d : public Layer {
 public:
  // Sees the input of this layer, [N, C, H, W], before it is normalised. It must not change it.
  using Tap = std::function<void(const torch::Tensor& input, const BatchNorm2d& layer)>;

  explicit BatchNorm2d(std::int64_t channels, const BatchNormOptions& options = {});

  torch::Tensor forward(const torch::Tensor& x);      // [N, C, H, W] -> the same shape
  void initialise(at::Generator generator) override;  // scale 1, shift 0, statistics reset; draws nothing

  // LibTorch's C++ modules have no forward hooks; this is the one the batch-norm loss needs. Prefer BatchNormTap.
  void arm(Tap tap) { tap_ = std::move(tap); }
  void disarm() { tap_ = nullptr; }
  bool armed() const { return static_cast<bool>(tap_); }

  const BatchNormOptions& options() const { return options_; }
  const torch::Tensor& weight() const { return weight_; }                            // [C], undefined: not affine
  const torch::Tensor& bias() const { return bias_; }                                // [C], undefined: not affine
  const torch::Tensor& running_mean() const { return running_mean_; }                // [C]
  const torch::Tensor& running_var() const { return running_var_; }                  // [C]
  const torch::Tensor& num_batches_tracked() const { return num_batches_tracked_; }  // int64, 0-d

 private:
  BatchNormOptions options_;
  torch::Tensor weight_;
  torch::Tensor bias_;
  torch::Tensor running_mean_;
  torch::Tensor running_var_;
  torch::Tensor num_batches_tracked_;
  Tap tap_;
};

// Calls `initialise` on every layer of `root`, in registration order.
void initialise(torch::nn::Module& root, at::Generator generator);

// As above, but convolution weights from N(0, sqrt(2 / (kernel^2 * out))) and their biases 0: He et al. 2015, fan-out
// form. Used by the published CIFAR networks (RepDistiller, ZSKT).
void initialise_he_fan_out(torch::nn::Module& root, at::Generator generator);

}  // namespace drystill::vision
