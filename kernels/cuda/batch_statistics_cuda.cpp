#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include "kernels/batch_statistics_parts.h"
#include "kernels/cuda/batch_statistics_launch.h"
#include "kernels/cuda/device_context.h"

namespace drystill::kernels::cuda {
namespace {

ChannelArray array_of(const DenseInput& input) {
  return {input.tensor.const_data_ptr(), storage_of(input.tensor), input.layout.outer, input.layout.channels,
          input.layout.inner};
}

const float* floats(const torch::Tensor& tensor) {
  return tensor.const_data_ptr<float>();
}

}  // namespace

BatchStatistics batch_statistics(const DenseInput& input) {
  const DeviceContext device(input.tensor);
  const ChannelArray array = array_of(input);
  const std::int64_t splits = statistics_splits(array, device.multiprocessors);
  const auto on_device = at::device(input.tensor.device());
  torch::Tensor workspace = at::empty({splits, array.channels, 3}, on_device.dtype(torch::kFloat64));
  static_assert(sizeof(PartialMoments) == 3 * sizeof(double));
  BatchStatistics result{at::empty({array.channels}, on_device.dtype(torch::kFloat32)),
                         at::empty({array.channels}, on_device.dtype(torch::kFloat32))};
  launch_statistics(array, splits, static_cast<PartialMoments*>(workspace.mutable_data_ptr()),
                    result.mean.mutable_data_ptr<float>(), result.variance.mutable_data_ptr<float>(), device.stream);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return result;
}

DistanceTerms distance_terms(const BatchStatistics& batch, const torch::Tensor& running_mean,
                             const torch::Tensor& running_variance, std::int64_t count) {
  const DeviceContext device(batch.mean);
  const torch::Tensor expected_mean = running_mean.contiguous(), expected_variance = running_variance.contiguous();
  DistanceTerms terms{at::empty({}, batch.mean.options()), at::empty_like(batch.mean), at::empty_like(batch.mean)};
  const DistanceArrays arrays{.mean = floats(batch.mean),
                              .variance = floats(batch.variance),
                              .running_mean = floats(expected_mean),
                              .running_variance = floats(expected_variance),
                              .distance = terms.distance.mutable_data_ptr<float>(),
                              .offset = terms.offset.mutable_data_ptr<float>(),
                              .slope = terms.slope.mutable_data_ptr<float>()};
  launch_distance(arrays, batch.mean.numel(), count, device.stream);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return terms;
}

torch::Tensor channel_affine(const DenseInput& input, const torch::Tensor& center, const torch::Tensor& offset,
                             const torch::Tensor& slope, const torch::Tensor& scale) {
  const DeviceContext device(input.tensor);
  torch::Tensor output = at::empty_like(input.tensor);
  const torch::Tensor centers = center.contiguous(), offsets = offset.contiguous(), slopes = slope.contiguous();
  const AffineArrays arrays{.center = floats(centers),
                            .offset = floats(offsets),
                            .slope = floats(slopes),
                            .scale = floats(scale),
                            .output = output.mutable_data_ptr()};
  launch_channel_affine(array_of(input), arrays, device.multiprocessors, device.stream);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return output;
}

}  // namespace drystill::kernels::cuda
