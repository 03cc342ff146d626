#pragma once

#include "kernels/batch_statistics.h"
#include "kernels/channel_layout.h"

// What each device provides for kernels/batch_statistics.h. Not differentiable: the autograd functions stand above.
namespace drystill::kernels {

// The distance and the coefficients of its gradient, d/dx = offset_c + slope_c (x - mean_c).
struct DistanceTerms {
  torch::Tensor distance;  // []
  torch::Tensor offset;    // [C]
  torch::Tensor slope;     // [C]
};

namespace cpu {
// float32 or bfloat16 input, float32 results; see has_fast_path() in kernels/cpu/capability.h.
BatchStatistics batch_statistics(const DenseInput& input);
// count: values per channel
DistanceTerms distance_terms(const BatchStatistics& batch, const torch::Tensor& running_mean,  // [C], float32
                             const torch::Tensor& running_variance, std::int64_t count);       // [C], float32
// scale (offset_c + slope_c (x - center_c)), in the type and memory order of the input; scale: one float32 value
torch::Tensor channel_affine(const DenseInput& input, const torch::Tensor& center, const torch::Tensor& offset,
                             const torch::Tensor& slope, const torch::Tensor& scale);
}  // namespace cpu

namespace cuda {
// As above, on the input's device and its current stream; nothing waits for the device.
BatchStatistics batch_statistics(const DenseInput& input);
DistanceTerms distance_terms(const BatchStatistics& batch, const torch::Tensor& running_mean,
                             const torch::Tensor& running_variance, std::int64_t count);
torch::Tensor channel_affine(const DenseInput& input, const torch::Tensor& center, const torch::Tensor& offset,
                             const torch::Tensor& slope, const torch::Tensor& scale);
}  // namespace cuda

}  // namespace drystill::kernels
