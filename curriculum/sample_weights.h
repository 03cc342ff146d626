#pragma once

#include <torch/types.h>

#include "curriculum/options.h"

namespace drystill::curriculum {

// Self-paced weights of losses (CuDFKD, arXiv 2208.13648; released code datafree/datasets/utils.py `curr_v`):
//
//   none  v = 1
//   hard  v = [l < lambda]
//   soft  v = [l < lambda] (1 - l / lambda)
//   log   v = (1 + e^-lambda) / (1 + e^(l - lambda)),  v(0) = 1, about 1/2 at l = lambda
//
// losses [N] or [], not negative -> weights of the same shape and dtype, without gradient. lambda > 0.
torch::Tensor sample_weights(const torch::Tensor& losses, double threshold, Pacing pacing);

}  // namespace drystill::curriculum
