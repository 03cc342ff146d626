#pragma once

#include <torch/types.h>

#include <vector>

namespace drystill {

// Scales the gradients, in place, by limit / norm where the norm of all of them together is larger; 0: no limit.
// Undefined ones are left out (Pascanu et al. 2013; torch.nn.utils.clip_grad_norm_).
void clip_gradient_norm(const std::vector<torch::Tensor>& gradients, double limit);

}  // namespace drystill
