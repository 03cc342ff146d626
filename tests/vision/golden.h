#pragma once

#include <torch/types.h>

#include <map>
#include <string>

namespace drystill::vision::testing {

// All tensors of tests/golden/vision/<stem>.safetensors, which tools/make_golden_vision.py made.
std::map<std::string, torch::Tensor> read_golden(const std::string& stem);

// The tensors whose names begin with `prefix`, without it.
std::map<std::string, torch::Tensor> part(const std::map<std::string, torch::Tensor>& tensors,
                                          const std::string& prefix);

}  // namespace drystill::vision::testing
