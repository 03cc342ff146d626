#pragma once

#include "kernels/batch_statistics.h"

namespace drystill::kernels {

// The same functions composed of torch operators: the fall-back where no fast path exists, differentiable any number of
// times, and the oracle of the tests. They expect checked inputs and work on any device.
BatchStatistics batch_statistics_reference(const torch::Tensor& input);
torch::Tensor batch_norm_distance_reference(const torch::Tensor& input, const torch::Tensor& running_mean,
                                            const torch::Tensor& running_variance);

}  // namespace drystill::kernels
