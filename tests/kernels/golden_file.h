#pragma once

#include <torch/types.h>

#include <map>
#include <string>

namespace drystill::testing {

// Every tensor of tests/golden/kernels/<name>, a float32 safetensors file of tools/make_golden_kernels.py.
std::map<std::string, torch::Tensor> read_golden(const std::string& name);

}  // namespace drystill::testing
