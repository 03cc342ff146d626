#pragma once

#include <torch/types.h>

#include "vision/layers.h"

// Layers that follow one another in every network of the zoo, as one call each, so that a network without need of its
// weights' gradients (a frozen teacher; any network evaluated without gradients) runs them fused: the batch norm is
// folded into the convolution before it, the sum and the ReLU after it ride along, and a batch norm with no convolution
// before it is one pass with its ReLU. Both paths agree within rounding (1e-4 on logits). A layer in training mode,
// with an armed tap, or whose weights need gradients takes the plain path. Gradients with respect to x pass through
// either.

namespace drystill::vision {

// convolution(x)
torch::Tensor conv(Conv2d& convolution, const torch::Tensor& x);
// relu(convolution(x))
torch::Tensor conv_relu(Conv2d& convolution, const torch::Tensor& x);
// convolution(x) + residual
torch::Tensor conv_add(Conv2d& convolution, const torch::Tensor& x, const torch::Tensor& residual);
// batch_norm(convolution(x))
torch::Tensor conv_bn(Conv2d& convolution, BatchNorm2d& batch_norm, const torch::Tensor& x);
// relu(batch_norm(convolution(x)))
torch::Tensor conv_bn_relu(Conv2d& convolution, BatchNorm2d& batch_norm, const torch::Tensor& x);
// relu(batch_norm(convolution(x)) + residual)
torch::Tensor conv_bn_add_relu(Conv2d& convolution, BatchNorm2d& batch_norm, const torch::Tensor& x,
                               const torch::Tensor& residual);
// relu(batch_norm(x))
torch::Tensor bn_relu(BatchNorm2d& batch_norm, const torch::Tensor& x);

}  // namespace drystill::vision
