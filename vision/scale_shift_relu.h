#pragma once

#include <torch/types.h>

namespace drystill::vision {

// Whether `x`, [N, C, H, W], is what `scale_shift_relu` takes: float32 on the CPU, channels-last, not empty.
bool can_scale_shift_relu(const torch::Tensor& x);

// max(0, x * scale + shift) in one pass over x instead of LibTorch's two. `scale` and `shift`: [C], float32. The result
// is channels-last. No gradients.
torch::Tensor scale_shift_relu(const torch::Tensor& x, const torch::Tensor& scale, const torch::Tensor& shift);

}  // namespace drystill::vision
