#pragma once

#include <cstdint>

// Single rows of kernels/decoder_rows, compiled for AVX2 where there is AVX2.
namespace drystill::kernels::cpu {

void rms_norm_row(const float* x, const float* weight, std::int64_t width, float epsilon, float* y);
void layer_norm_row(const float* x, const float* weight, const float* bias, std::int64_t width, float epsilon,
                    float* y);
void gated_silu_row(const float* gate, const float* up, std::int64_t width, float* y);
void gelu_tanh_row(const float* x, std::int64_t width, float* y);
void rotate_row(float* x, const float* cosine, const float* sine, std::int64_t half);

}  // namespace drystill::kernels::cpu
