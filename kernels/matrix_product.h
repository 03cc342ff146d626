#pragma once

#include <torch/types.h>

namespace drystill::kernels {

// x weight^T + bias: [..., in], [out, in], [out] or undefined -> [..., out]. Differentiable, also twice; the same as
// at::linear, whose float32 product on the CPU goes to MKL, which leaves the wide vectors of AMD's processors unused.
// Here it goes to oneDNN, which writes code for the processor it finds: twice as fast on an EPYC with AVX-512, forward
// and backward, and as fast as MKL with AVX2 (bench/kernels/matrix_product_bench.cpp). Other types and devices, and
// small products, are at::linear's.
torch::Tensor linear(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias = {});

// a b^T: [m, k], [n, k] of any strides -> [m, n], through the same choice. Not differentiable.
torch::Tensor product_transposed(const torch::Tensor& a, const torch::Tensor& b);

}  // namespace drystill::kernels
