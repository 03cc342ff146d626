#pragma once

#include "kernels/divergence.h"

namespace drystill::kernels {

// The same function composed of torch operators: the fall-back where no fast path exists, differentiable any number of
// times, and the oracle of the tests. It expects checked inputs and works on any device.
torch::Tensor divergence_reference(const torch::Tensor& student_logits, const torch::Tensor& teacher_logits,
                                   const DivergenceOptions& options, const torch::Tensor& row_weights = {});

}  // namespace drystill::kernels
