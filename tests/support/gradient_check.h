#pragma once

#include <torch/types.h>

#include <functional>
#include <string>
#include <vector>

namespace drystill::testing {

// Compares the backward pass of a scalar function with central differences, entry by entry, in float64 (LibTorch's C++
// side has no gradcheck). `inputs` are float64 leaves; those that require a gradient are checked. Returns "" when every
// entry agrees within atol + rtol * |numeric|, else a sentence naming the first entry that does not.
std::string gradient_mismatch(const std::function<torch::Tensor(const std::vector<torch::Tensor>&)>& function,
                              std::vector<torch::Tensor> inputs, double step = 1e-6, double rtol = 1e-5,
                              double atol = 1e-7);

}  // namespace drystill::testing
