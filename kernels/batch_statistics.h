#pragma once

#include <torch/types.h>

namespace drystill::kernels {

// Moments of every channel over all other dimensions.
struct BatchStatistics {
  torch::Tensor mean;      // [C]
  torch::Tensor variance;  // [C], biased: divided by the number of values, not by one less
};

// Per-channel mean and biased variance of `input`, differentiable.
//
// input: [N, C, H, W], contiguous or channels-last (neither is copied), or [T, C] (tokens, hidden); any other stride
// order is copied once. float32, bfloat16 or float16 give float32 results; float64 gives float64 (by composed
// operators).
//
// The data is read once: sums shifted by a sample of the channel in float32, merged in float64; a channel whose sample
// turns out to lie far from its mean makes the pass run again around that mean, so a large mean costs no digits.
// On CPU the result does not depend on the number of threads.
//
// Throws InputError for other ranks, integer types and empty tensors. Gradients of the gradient are refused (RunError).
BatchStatistics batch_statistics(const torch::Tensor& input);

// How far the batch is from a batch-norm layer's memory of the training data:
//
//   || running_variance - variance(input) ||_2 + || running_mean - mean(input) ||_2        (scalar, [])
//
// the term of DeepInversion (arXiv 1912.08795, `DeepInversionHook` of its code and of CMI, FastDFKD, NAYER, CuDFKD),
// with the biased variance they use. The gradient reads the input once more and writes the result in the same pass:
//
//   d/dx = a_c + b_c (x - mean_c),   a_c = (mean_c - rm_c) / (n ||rm - mean||),   b_c = 2 (var_c - rv_c) / (n ||rv -
//   var||)
//
// where a root at zero contributes no gradient. Nothing but the input and three [C] tensors is kept for it.
//
// input: as above; running_mean, running_variance: [C] on the same device, treated as constants (InputError when they
// require a gradient). The scalar is float32, or float64 for float64 input.
torch::Tensor batch_norm_distance(const torch::Tensor& input, const torch::Tensor& running_mean,
                                  const torch::Tensor& running_variance);

}  // namespace drystill::kernels
