#include "vision/fused_layers.h"

#include <c10/core/GradMode.h>

#include "vision/scale_shift_relu.h"

namespace drystill::vision {
namespace {

bool learns(const torch::Tensor& parameter) {
  return c10::GradMode::is_enabled() && parameter.defined() && parameter.requires_grad();
}

bool can_fuse(const Conv2d& convolution) {
  return !learns(convolution.weight()) && !learns(convolution.bias());
}

bool can_fuse(const BatchNorm2d& batch_norm) {
  return !batch_norm.is_training() && !batch_norm.armed() && !learns(batch_norm.weight()) && !learns(batch_norm.bias());
}

// relu(batch_norm(convolution(x)) + residual), every part after the convolution optional.
torch::Tensor run(Conv2d& convolution, BatchNorm2d* batch_norm, const torch::Tensor& x, const torch::Tensor& residual,
                  bool relu) {
  if (can_fuse(convolution) && (batch_norm == nullptr || can_fuse(*batch_norm))) {
    auto& prepared = convolution.prepared();
    prepared.refresh(convolution, batch_norm, x.scalar_type());
    return prepared.run(convolution, x, residual, relu);
  }
  auto y = convolution.forward(x);
  if (batch_norm != nullptr) y = batch_norm->forward(y);
  // In place: neither a convolution nor a batch norm needs its own output for its backward pass.
  if (residual.defined()) y.add_(residual);
  return relu ? y.relu_() : y;
}

}  // namespace

torch::Tensor conv(Conv2d& convolution, const torch::Tensor& x) {
  return run(convolution, nullptr, x, {}, false);
}

torch::Tensor conv_relu(Conv2d& convolution, const torch::Tensor& x) {
  return run(convolution, nullptr, x, {}, true);
}

torch::Tensor conv_add(Conv2d& convolution, const torch::Tensor& x, const torch::Tensor& residual) {
  return run(convolution, nullptr, x, residual, false);
}

torch::Tensor conv_bn(Conv2d& convolution, BatchNorm2d& batch_norm, const torch::Tensor& x) {
  return run(convolution, &batch_norm, x, {}, false);
}

torch::Tensor conv_bn_relu(Conv2d& convolution, BatchNorm2d& batch_norm, const torch::Tensor& x) {
  return run(convolution, &batch_norm, x, {}, true);
}

torch::Tensor conv_bn_add_relu(Conv2d& convolution, BatchNorm2d& batch_norm, const torch::Tensor& x,
                               const torch::Tensor& residual) {
  return run(convolution, &batch_norm, x, residual, true);
}

torch::Tensor bn_relu(BatchNorm2d& batch_norm, const torch::Tensor& x) {
  const bool differentiable = c10::GradMode::is_enabled() && x.requires_grad();
  if (!differentiable && can_fuse(batch_norm) && can_scale_shift_relu(x)) {
    auto scale = (batch_norm.running_var() + batch_norm.options().epsilon).rsqrt();
    if (batch_norm.weight().defined()) scale = scale * batch_norm.weight();
    auto shift = -batch_norm.running_mean() * scale;
    if (batch_norm.bias().defined()) shift = shift + batch_norm.bias();
    return scale_shift_relu(x, scale, shift);
  }
  return batch_norm.forward(x).relu_();
}

}  // namespace drystill::vision
