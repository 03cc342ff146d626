#pragma once

#include <cstdint>

// What a decoder does between its matrix products, for inference on the CPU: bare rows of float32, several threads
// where there are rows enough. One token takes a few hundred of these, so none allocates. Results may overwrite inputs.
namespace drystill::kernels {

// Whether this processor can run them (and kernels/paged_attention.h): AVX2 on x86-64, anything elsewhere.
bool has_decoder_kernels();

// y = x / sqrt(mean(x^2) + epsilon) * weight (Zhang and Sennrich 2019). x, y: [rows, width]; weight: [width].
void rms_norm_rows(const float* x, const float* weight, std::int64_t rows, std::int64_t width, double epsilon,
                   float* y);

// y = (x - mean) / sqrt(variance + epsilon) * weight + bias. x, y: [rows, width]; weight, bias: [width].
void layer_norm_rows(const float* x, const float* weight, const float* bias, std::int64_t rows, std::int64_t width,
                     double epsilon, float* y);

// y = silu(gate) * up (SwiGLU, Shazeer 2020). gate_up: [rows, 2 width], gate first; y: [rows, width], not gate_up.
void gated_silu_rows(const float* gate_up, std::int64_t rows, std::int64_t width, float* y);

// y = GELU(x) in its tanh form ("gelu_new"). x, y: [rows, width].
void gelu_tanh_rows(const float* x, std::int64_t rows, std::int64_t width, float* y);

// Rotary position embedding, split halves: with x = (a, b), x becomes (a cos - b sin, b cos + a sin).
// x: [heads, 2 half], in place; cosine, sine: [half], of this token's position.
void rotate_heads(float* x, std::int64_t heads, std::int64_t half, const float* cosine, const float* sine);

}  // namespace drystill::kernels
