#pragma once

#include <torch/types.h>

namespace drystill::vision {

struct ConvOptions;

// oneDNN's convolution with the sum and the ReLU that follow it in one pass over the output, through the operators that
// LibTorch registers for its own graph compiler. On two AVX2 cores it saves 5 % to 15 % of a folded convolution at
// batch 128. The results come out channels-last. No gradients.

// Whether `x` can go this way: CPU, dense, float32, or bfloat16 where the CPU computes in it.
bool onednn_can_run(const torch::Tensor& x);

// `weight`, [out, in, kernel, kernel], in the layout oneDNN prefers for inputs of that size.
torch::Tensor onednn_pack(const torch::Tensor& weight, const ConvOptions& options, at::IntArrayRef input_size);

// relu(convolution(x, packed, bias) + residual); `bias` and `residual` may be undefined, the ReLU off.
torch::Tensor onednn_convolution(const torch::Tensor& x, const torch::Tensor& packed, const torch::Tensor& bias,
                                 const ConvOptions& options, const torch::Tensor& residual, bool relu);

}  // namespace drystill::vision
