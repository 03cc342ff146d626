#pragma once

#include "kernels/token_divergence.h"

namespace drystill::kernels {

// token_divergence written down as the definition says, over masks of the whole vocabulary and by autograd: the oracle
// of the tests, slow and hungry. Expects checked inputs; any device; differentiable any number of times.
torch::Tensor token_divergence_reference(const torch::Tensor& student_logits, const torch::Tensor& teacher_logits,
                                         const TokenDivergenceOptions& options, const torch::Tensor& row_weights = {});

}  // namespace drystill::kernels
