#pragma once

#include <torch/nn/module.h>

namespace drystill::vision {

// Lays every 4-d parameter of `module` out in NHWC order, in place: convolutions then compute and return channels-last
// without conversions. Optimizers made before still hold the same tensors.
void to_channels_last(torch::nn::Module& module);

}  // namespace drystill::vision
