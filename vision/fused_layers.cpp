#include "vision/fused_layers.h"

#include <c10/core/GradMode.h>

namespace drystill::vision {
namespace {

bool needs_gradient(const torch::Tensor& parameter) {
  return parameter.defined() && parameter.requires_grad();
}

bool can_fold(const Conv2d& convolution, const BatchNorm2d& batch_norm) {
  if (batch_norm.is_training() || batch_norm.armed()) return false;
  return !c10::GradMode::is_enabled() || !(needs_gradient(convolution.weight()) || needs_gradient(convolution.bias()) ||
                                           needs_gradient(batch_norm.weight()) || needs_gradient(batch_norm.bias()));
}

}  // namespace

// The in-place operations below touch only fresh outputs of a convolution or batch norm, which neither needs again for
// its own backward pass.

torch::Tensor conv_bn(Conv2d& convolution, BatchNorm2d& batch_norm, const torch::Tensor& x) {
  if (!can_fold(convolution, batch_norm)) return batch_norm.forward(convolution.forward(x));
  auto& folded = convolution.folded();
  folded.refresh(convolution, batch_norm, x.scalar_type());
  const auto& options = convolution.options();
  return at::conv2d(x, folded.weight(), folded.bias(), {options.stride, options.stride},
                    {options.padding, options.padding});
}

torch::Tensor conv_bn_relu(Conv2d& convolution, BatchNorm2d& batch_norm, const torch::Tensor& x) {
  return conv_bn(convolution, batch_norm, x).relu_();
}

torch::Tensor conv_bn_add_relu(Conv2d& convolution, BatchNorm2d& batch_norm, const torch::Tensor& x,
                               const torch::Tensor& residual) {
  return conv_bn(convolution, batch_norm, x).add_(residual).relu_();
}

torch::Tensor bn_relu(BatchNorm2d& batch_norm, const torch::Tensor& x) {
  return batch_norm.forward(x).relu_();
}

}  // namespace drystill::vision
