#pragma once

#include <torch/types.h>

#include <string>

namespace drystill {

// "auto" (CUDA where it works, else the CPU), "cpu", "cuda" or "cuda:1". Throws ConfigError for any other text and
// InputError where CUDA is asked for and this program or machine has none.
torch::Device parse_device(const std::string& text);

}  // namespace drystill
