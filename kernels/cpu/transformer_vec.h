#pragma once

#include <c10/util/BFloat16.h>

#include <cstdint>

// Inner loops of transformer layers on raw pointers; transformer_vec.cpp is compiled for AVX2 + FMA, see
// kernels/cpu/batch_statistics_vec.h for what that implies. Arithmetic is float32 whatever the storage.
namespace drystill::kernels::cpu {

// Rows [begin, end) of scores [rows, width], where row r is query t = r % width: in place, entries 0 to t become
// softmax(scale * score), the rest 0. `scratch` holds width + 16 floats.
void causal_softmax_rows(c10::BFloat16* scores, std::int64_t width, float scale, std::int64_t begin, std::int64_t end,
                         float* scratch);

// The gradient of those scores, in place of `gradient`: scale * p (g - sum(p g)).
void causal_softmax_backward_rows(const c10::BFloat16* probabilities, c10::BFloat16* gradient, std::int64_t width,
                                  float scale, std::int64_t begin, std::int64_t end);

// y = x r w with r = 1 / sqrt(mean(x^2) + epsilon) of each row, which is kept.
template <class Scalar>
void rms_norm_rows(const Scalar* x, const Scalar* weight, Scalar* y, float* inverse_rms, std::int64_t width,
                   float epsilon, std::int64_t begin, std::int64_t end);

// Its gradients; that of the weight, [width] float32, is added to. Null where not wanted.
template <class Scalar>
void rms_norm_backward_rows(const Scalar* gradient, const Scalar* x, const Scalar* weight, const float* inverse_rms,
                            Scalar* x_gradient, float* weight_gradient, std::int64_t width, std::int64_t begin,
                            std::int64_t end);

// y = silu(gate) * up, entries [begin, end).
template <class Scalar>
void silu_product(const Scalar* gate, const Scalar* up, Scalar* y, std::int64_t begin, std::int64_t end);

template <class Scalar>
void silu_product_backward(const Scalar* gradient, const Scalar* gate, const Scalar* up, Scalar* gate_gradient,
                           Scalar* up_gradient, std::int64_t begin, std::int64_t end);

// x [rows, heads, head_dim] turned by rotations [positions, head_dim / 2], row r by position r % positions: entry j
// pairs with entry j + head_dim / 2. `direction` 1, or -1 to turn back.
template <class Scalar>
void rotate_rows(const Scalar* x, const float* cosine, const float* sine, Scalar* y, std::int64_t positions,
                 std::int64_t heads, std::int64_t head_dim, float direction, std::int64_t begin, std::int64_t end);

}  // namespace drystill::kernels::cpu
