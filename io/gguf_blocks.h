#pragma once

#include <torch/types.h>

#include <cstddef>
#include <span>

#include "io/gguf_types.h"

namespace drystill::io {

// Whether `dequantize` knows the type: Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K.
bool can_dequantize(const GgmlType& type);

// The values of quantised blocks, in float32 arithmetic without fused multiply-add, so that every processor gives the
// same bits as the reference (ggml-quants.c, gguf-py/gguf/quants.py of ggml-org/llama.cpp). `dtype` is kFloat or
// kBFloat16 (rounded to nearest, ties to even). `blocks` must hold exactly the tensor's blocks. Runs in parallel.
torch::Tensor dequantize(std::span<const std::byte> blocks, const GgmlType& type, at::IntArrayRef shape,
                         at::ScalarType dtype);

}  // namespace drystill::io
