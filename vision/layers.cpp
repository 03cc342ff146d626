#include "vision/layers.h"

#include <cmath>
#include <string>

#include "core/error.h"

namespace drystill::vision {
namespace {

torch::Tensor cast(const torch::Tensor& parameter, torch::ScalarType dtype) {
  return parameter.defined() ? parameter.to(dtype) : parameter;
}

// kaiming_uniform(a = sqrt(5)) of PyTorch's reset_parameters comes down to this bound, for the weight and the bias.
void fill_default(const torch::Tensor& weight, const torch::Tensor& bias, std::int64_t fan_in,
                  at::Generator generator) {
  const torch::NoGradGuard no_grad;
  const double bound = 1 / std::sqrt(static_cast<double>(fan_in));
  weight.uniform_(-bound, bound, generator);
  if (bias.defined()) bias.uniform_(-bound, bound, generator);
}

}  // namespace

Conv2d::Conv2d(const ConvOptions& options) : options_(options) {
  weight_ = register_parameter("weight", torch::zeros({options.out, options.in, options.kernel, options.kernel}));
  if (options.bias) bias_ = register_parameter("bias", torch::zeros({options.out}));
}

torch::Tensor Conv2d::forward(const torch::Tensor& x) const {
  const auto dtype = x.scalar_type();
  return at::conv2d(x, cast(weight_, dtype), cast(bias_, dtype), {options_.stride, options_.stride},
                    {options_.padding, options_.padding});
}

void Conv2d::initialise(at::Generator generator) {
  fill_default(weight_, bias_, options_.in * options_.kernel * options_.kernel, generator);
}

void Conv2d::train(bool on) {
  Layer::train(on);
  prepared_.clear();
}

Linear::Linear(std::int64_t in, std::int64_t out, bool bias) {
  weight_ = register_parameter("weight", torch::zeros({out, in}));
  if (bias) bias_ = register_parameter("bias", torch::zeros({out}));
}

torch::Tensor Linear::forward(const torch::Tensor& x) const {
  const auto dtype = x.scalar_type();
  return at::linear(x, cast(weight_, dtype), cast(bias_, dtype));
}

void Linear::initialise(at::Generator generator) {
  fill_default(weight_, bias_, weight_.size(1), generator);
}

BatchNorm2d::BatchNorm2d(std::int64_t channels, const BatchNormOptions& options) : options_(options) {
  if (options.affine) {
    weight_ = register_parameter("weight", torch::ones({channels}));
    bias_ = register_parameter("bias", torch::zeros({channels}));
  }
  running_mean_ = register_buffer("running_mean", torch::zeros({channels}));
  running_var_ = register_buffer("running_var", torch::ones({channels}));
  num_batches_tracked_ = register_buffer("num_batches_tracked", torch::zeros({}, torch::kInt64));
}

torch::Tensor BatchNorm2d::forward(const torch::Tensor& x) {
  if (tap_) tap_(x, *this);
  if (is_training()) {
    if (x.numel() <= running_mean_.numel()) {
      throw InputError("[vision.BatchNorm2d] training needs more than one value a channel, got an input of " +
                       std::to_string(x.numel()) + " values for " + std::to_string(running_mean_.numel()) +
                       " channels; use a larger batch or evaluation mode");
    }
    num_batches_tracked_.add_(1);
  }
  return at::batch_norm(x, weight_, bias_, running_mean_, running_var_, is_training(), options_.momentum,
                        options_.epsilon, /*cudnn_enabled=*/true);
}

void BatchNorm2d::initialise(at::Generator /*generator*/) {
  const torch::NoGradGuard no_grad;
  if (weight_.defined()) weight_.fill_(1);
  if (bias_.defined()) bias_.zero_();
  running_mean_.zero_();
  running_var_.fill_(1);
  num_batches_tracked_.zero_();
}

void initialise(torch::nn::Module& root, at::Generator generator) {
  for (const auto& module : root.modules()) {
    if (auto* layer = dynamic_cast<Layer*>(module.get())) layer->initialise(generator);
  }
}

void initialise_he_fan_out(torch::nn::Module& root, at::Generator generator) {
  const torch::NoGradGuard no_grad;
  for (const auto& module : root.modules()) {
    if (auto* convolution = dynamic_cast<Conv2d*>(module.get())) {
      const auto& options = convolution->options();
      const double fan_out = static_cast<double>(options.kernel * options.kernel * options.out);
      torch::Tensor(convolution->weight()).normal_(0, std::sqrt(2 / fan_out), generator);
      if (convolution->bias().defined()) torch::Tensor(convolution->bias()).zero_();
    } else if (auto* layer = dynamic_cast<Layer*>(module.get())) {
      layer->initialise(generator);
    }
  }
}

}  // namespace drystill::vision
