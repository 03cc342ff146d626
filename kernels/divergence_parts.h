#pragma once

#include <torch/types.h>

#include "kernels/options.h"

// What each device provides for kernels/divergence.h. Not differentiable: the autograd function stands above.
namespace drystill::kernels {

struct DivergenceRowsInput {
  torch::Tensor student;                                    // [N, C], contiguous, float32 or bfloat16
  torch::Tensor teacher;                                    // like student
  torch::Tensor weights;                                    // [N], contiguous float32, or undefined
  bool student_gradient = false, teacher_gradient = false;  // which gradients to compute along the way
};

// All float32. Gradients are those of each row's own loss, and undefined where not asked for.
struct DivergenceRows {
  torch::Tensor loss;              // [N]
  torch::Tensor student_gradient;  // [N, C]
  torch::Tensor teacher_gradient;  // [N, C]
};

// What of the options the rows need: f of kernels/divergence.h is 1 for js, and temperature 1 for l1 and mse.
inline float temperature_factor(const DivergenceOptions& options) {
  const bool scaled = options.kind == DivergenceKind::kForwardKl || options.kind == DivergenceKind::kReverseKl;
  return scaled && options.scale_by_temperature_squared ? static_cast<float>(options.temperature * options.temperature)
                                                        : 1.f;
}
inline float inverse_temperature(const DivergenceOptions& options) {
  const bool on_logits = options.kind == DivergenceKind::kL1 || options.kind == DivergenceKind::kMse;
  return on_logits ? 1.f : static_cast<float>(1 / options.temperature);
}

namespace cpu {
DivergenceRows divergence_rows(const DivergenceRowsInput& input, const DivergenceOptions& options);
}
namespace cuda {
DivergenceRows divergence_rows(const DivergenceRowsInput& input, const DivergenceOptions& options);
}

}  // namespace drystill::kernels
