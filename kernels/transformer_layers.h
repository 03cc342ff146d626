#pragma once

#include <torch/types.h>

#include <cstdint>

// Parts of transformer layers whose composed form is bound by memory. Differentiable once. On the CPU, float32 and
// bfloat16 have a fused form whose arithmetic is float32; everything else is composed of LibTorch's operators.

namespace drystill::kernels {

// x / sqrt(mean(x^2) + epsilon) * weight over the last dimension (Zhang and Sennrich 2019). [..., width], [width], of
// one dtype.
torch::Tensor rms_norm(const torch::Tensor& x, const torch::Tensor& weight, double epsilon);

// silu(gate) * up, the gate of SwiGLU (Shazeer 2020). Same shape and dtype.
torch::Tensor silu_product(const torch::Tensor& gate, const torch::Tensor& up);

// Rotary positions: x [N, T, heads, head_dim], cosine and sine float32 [N or 1, T, 1, head_dim / 2]. Entry j pairs with
// entry j + head_dim / 2. No gradient goes to the angles.
torch::Tensor rotate_halves(const torch::Tensor& x, const torch::Tensor& cosine, const torch::Tensor& sine);

// Softmax attention in which query t sees keys 0 to t. Query [N, T, heads, head_dim], key and value [N, T, kv_heads,
// head_dim] with kv_heads a divisor of heads, heads / kv_heads neighbours sharing a key. -> [N, T, heads, head_dim].
// For bfloat16 on a CPU with AVX-512 and texts up to some hundred tokens this multiplies whole matrices through oneDNN
// and rounds scores to bfloat16, which is three times as fast as LibTorch's tiles (measured at T = 256); elsewhere it
// is at::scaled_dot_product_attention.
torch::Tensor causal_attention(const torch::Tensor& query, const torch::Tensor& key, const torch::Tensor& value);

}  // namespace drystill::kernels
