#pragma once

#include <torch/types.h>

namespace drystill::kernels {

// y = x W^T + b for inference on the CPU, with the weight laid out once for few rows (M = 1..64 tokens of generation):
// one row runs at the speed at which memory delivers the weight, thirty-two at that of the multiply-add units
// (bench/kernels/packed_linear_bench.cpp prints both shares). Products are summed in float32, in order of depth.
//
// A bfloat16 weight halves the memory traffic; x is then rounded to bfloat16, as at::linear of two bfloat16 tensors has
// it. Uses AVX-512 (with its bfloat16 dot product where there is one) or AVX2 as the processor and
// ATEN_CPU_CAPABILITY allow, plain C++ elsewhere. Nothing here records a gradient.
class PackedLinear {
 public:
  // weight: [out, in], float32 or bfloat16, on the CPU; copied. bias: [out] or undefined; kept in float32.
  // Throws InputError for shapes, types or devices that do not fit.
  explicit PackedLinear(const torch::Tensor& weight, const torch::Tensor& bias = {});

  // x: [..., in], float32 or bfloat16, any strides -> [..., out] of x's type. Throws InputError where x does not fit.
  torch::Tensor forward(const torch::Tensor& x) const;

  // The same on bare rows: x [rows, in] and y [rows, out], both dense float32. `accumulate` adds to y: a residual
  // connection without a pass of its own.
  void forward_rows(const float* x, std::int64_t rows, float* y, bool accumulate = false) const;

  std::int64_t in_features() const { return in_; }
  std::int64_t out_features() const { return out_; }
  torch::ScalarType type() const { return packed_.scalar_type(); }
  std::int64_t bytes() const { return static_cast<std::int64_t>(packed_.nbytes()); }  // read by every call

 private:
  std::int64_t in_, out_;
  torch::Tensor packed_;  // [panels, depth, 32] float32 or [panels, depth / 2, 32, 2] bfloat16, zero-padded
  torch::Tensor bias_;    // [panels * 32], float32, or undefined
};

}  // namespace drystill::kernels
