#pragma once

#include <torch/types.h>

namespace drystill::kernels::cpu {

// `out` rounded up to whole panels.
std::int64_t whole_panels(std::int64_t out);

// weight [out, in], float32 or bfloat16 -> the layout of kernels/cpu/packed_linear_tiles.h.
torch::Tensor pack_weight(const torch::Tensor& weight);

struct PackedProduct {
  const float* x;               // [rows, in]
  const torch::Tensor& packed;  // of pack_weight
  const float* bias;            // [whole_panels(out)] or null
  float* y;                     // [rows, out]
  std::int64_t rows, in, out;
  bool accumulate;
};

// y (+)= x W^T + bias, on all threads.
void packed_linear(const PackedProduct& product);

}  // namespace drystill::kernels::cpu
