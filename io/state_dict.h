#pragma once

#include <torch/nn/module.h>

#include <map>
#include <string>

namespace drystill::io {

// Parameters and buffers of a module under their state-dict names. The tensors are the module's own, not copies.
std::map<std::string, torch::Tensor> state_dict(const torch::nn::Module& module);

// Copies `tensors` into `module`. Every name and shape must fit, only `num_batches_tracked` may be missing or too many
// (files before PyTorch 0.4.1 lack it); floating-point types are converted. Nothing is changed unless all fits: else
// InputError counts what is missing, unexpected and of another shape, names the first of each, and says so when only
// the number of classes differs. `source` names where the tensors came from.
void load_into(torch::nn::Module& module, const std::map<std::string, torch::Tensor>& tensors,
               const std::string& source);

}  // namespace drystill::io
