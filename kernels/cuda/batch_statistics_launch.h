#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "kernels/cuda/storage.h"

// Launchers for kernels/batch_statistics_parts.h on raw device pointers: no LibTorch, so that nvcc compiles them in
// seconds. All return at once; errors are left for cudaGetLastError.
namespace drystill::kernels::cuda {

// A dense [outer, channels, inner] array, see kernels/channel_layout.h.
struct ChannelArray {
  const void* data;
  Storage storage;
  std::int64_t outer, channels, inner;
};

// Moments of part of a channel: count, mean, sum of squared deviations.
struct PartialMoments {
  double count, mean, squares;
};

// How many partial moments per channel launch_statistics writes on a device with that many multiprocessors.
std::int64_t statistics_splits(const ChannelArray& input, int multiprocessors);

// workspace: [splits, channels]; mean, variance: [channels]
void launch_statistics(const ChannelArray& input, std::int64_t splits, PartialMoments* workspace, float* mean,
                       float* variance, cudaStream_t stream);

// All [channels] but distance, one value.
struct DistanceArrays {
  const float *mean, *variance, *running_mean, *running_variance;
  float *distance, *offset, *slope;
};
void launch_distance(const DistanceArrays& arrays, std::int64_t channels, std::int64_t count, cudaStream_t stream);

// output = scale (offset[c] + slope[c] (x - center[c])), in the input's storage; scale: one value.
struct AffineArrays {
  const float *center, *offset, *slope, *scale;
  void* output;
};
void launch_channel_affine(const ChannelArray& input, const AffineArrays& arrays, int multiprocessors,
                           cudaStream_t stream);

}  // namespace drystill::kernels::cuda
