#pragma once

#include <torch/types.h>

#include <string>

namespace drystill {

// "auto" (CUDA where it works, else the CPU), "cpu", "cuda" or "cuda:1". Throws ConfigError for any other text and
// InputError where CUDA is asked for and this program or machine has none.
torch::Device parse_device(const std::string& text);

// Whether LibTorch multiplies bfloat16 on the device about as fast as float32 or faster: on CUDA, and on CPUs with
// AVX-512. On others it has no fast product and takes some fifty times as long.
bool has_fast_bfloat16(torch::Device device);

}  // namespace drystill
