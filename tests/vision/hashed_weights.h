#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <string>

// Weights and inputs by formula, the same bit for bit as in tools/make_golden_vision.py: golden logits of large
// networks without their weights in the repository. A parameter's values depend on its state-dict name, so a wrong name
// shows.

namespace drystill::vision::testing {

// Values in [-1, 1), float64.
torch::Tensor hashed(const std::string& name, at::IntArrayRef shape);

// Every parameter and buffer of `module`.
void fill_hashed(torch::nn::Module& module);

// [count, channels, 32, 32], float32.
torch::Tensor hashed_images(std::int64_t count, std::int64_t channels);

}  // namespace drystill::vision::testing
