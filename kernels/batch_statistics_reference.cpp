#include "kernels/batch_statistics_reference.h"

#include <ATen/ops/var_mean.h>

namespace drystill::kernels {

BatchStatistics batch_statistics_reference(const torch::Tensor& input) {
  const auto type = input.scalar_type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32;
  std::vector<std::int64_t> dims = {0};
  for (std::int64_t d = 2; d < input.dim(); ++d) dims.push_back(d);
  auto [variance, mean] = at::var_mean(input.to(type), dims, /*correction=*/at::Scalar(0));
  return {mean, variance};
}

torch::Tensor batch_norm_distance_reference(const torch::Tensor& input, const torch::Tensor& running_mean,
                                            const torch::Tensor& running_variance) {
  const BatchStatistics batch = batch_statistics_reference(input);
  const auto type = batch.mean.scalar_type();
  // norm() has gradient 0 at 0, the same choice as the fast paths.
  return (running_variance.to(type) - batch.variance).norm() + (running_mean.to(type) - batch.mean).norm();
}

}  // namespace drystill::kernels
