#include <immintrin.h>

#include "kernels/cpu/packed_linear_tiles.h"

namespace drystill::kernels::cpu {
namespace {

// Half a panel (two vectors) times up to six rows: 12 sums, 2 weights and one broadcast in 16 registers.
constexpr int kMostRowsAvx2 = 6;
constexpr int kHalf = 16;

template <int kRows>
inline void add_step(__m256 (&low)[kRows], __m256 (&high)[kRows], const float* x, std::int64_t stride, __m256 w_low,
                     __m256 w_high) {
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    const __m256 factor = _mm256_broadcast_ss(x + r * stride);
    low[r] = _mm256_fmadd_ps(factor, w_low, low[r]);
    high[r] = _mm256_fmadd_ps(factor, w_high, high[r]);
  }
}

inline __m256 float_of(std::uint32_t upper_half) {
  return _mm256_castsi256_ps(_mm256_set1_epi32(static_cast<int>(upper_half)));
}

template <int kRows>
inline void add_depth(const PanelTask<float>& task, const float* x, std::int64_t column, __m256 (&low)[kRows],
                      __m256 (&high)[kRows]) {
  for (std::int64_t k = 0; k < task.depth; ++k) {
    const float* w = task.weights + k * kPanel + column;
    add_step(low, high, x + k, task.x_stride, _mm256_loadu_ps(w), _mm256_loadu_ps(w + 8));
  }
}

// bfloat16 is the upper half of a float: of each pair, the second is the word without its lower half, the first the
// lower half moved up.
template <int kRows>
inline void add_depth(const PanelTask<Bfloat16Bits>& task, const Bfloat16Bits* x, std::int64_t column,
                      __m256 (&low)[kRows], __m256 (&high)[kRows]) {
  const __m256 upper = float_of(0xffff0000u);
  for (std::int64_t k = 0; k < task.depth; k += 2) {
    const auto* w = reinterpret_cast<const float*>(task.weights + k * kPanel + 2 * column);
    const __m256 pairs_low = _mm256_loadu_ps(w), pairs_high = _mm256_loadu_ps(w + 8);
    const auto first = [](__m256 pairs) {
      return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(pairs), 16));
    };
    const __m256 first_low = first(pairs_low), first_high = first(pairs_high);
    const __m256 second_low = _mm256_and_ps(pairs_low, upper), second_high = _mm256_and_ps(pairs_high, upper);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const Bfloat16Bits* value = x + r * task.x_stride + k;
      const __m256 even = float_of(std::uint32_t{value[0]} << 16), odd = float_of(std::uint32_t{value[1]} << 16);
      low[r] = _mm256_fmadd_ps(even, first_low, _mm256_fmadd_ps(odd, second_low, low[r]));
      high[r] = _mm256_fmadd_ps(even, first_high, _mm256_fmadd_ps(odd, second_high, high[r]));
    }
  }
}

template <int kRows, class Scalar>
inline void avx2_tile(const PanelTask<Scalar>& task, std::int64_t row, std::int64_t column) {
  __m256 low[kRows], high[kRows];
  const __m256 bias_low = task.bias ? _mm256_loadu_ps(task.bias + column) : _mm256_setzero_ps();
  const __m256 bias_high = task.bias ? _mm256_loadu_ps(task.bias + column + 8) : _mm256_setzero_ps();
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) low[r] = bias_low, high[r] = bias_high;
  add_depth<kRows>(task, task.x + row * task.x_stride, column, low, high);
  const std::int64_t columns = task.columns - column < kHalf ? task.columns - column : kHalf;
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    alignas(32) float sums[kHalf];
    _mm256_store_ps(sums, low[r]);
    _mm256_store_ps(sums + 8, high[r]);
    float* y = task.y + (row + r) * task.y_stride + column;
    for (std::int64_t c = 0; c < columns; ++c) y[c] = task.accumulate ? y[c] + sums[c] : sums[c];
  }
}

template <class Scalar>
inline void avx2_panel(const PanelTask<Scalar>& task) {
  const std::int64_t tiles = (task.rows + kMostRowsAvx2 - 1) / kMostRowsAvx2;
  for (std::int64_t column = 0; column < task.columns; column += kHalf) {
    std::int64_t row = 0;
    for (std::int64_t tile = 0; tile < tiles; ++tile) {
      const std::int64_t rows = (task.rows - row + (tiles - tile) - 1) / (tiles - tile);  // tiles of equal height
      switch (rows) {
        case 1:
          avx2_tile<1>(task, row, column);
          break;
        case 2:
          avx2_tile<2>(task, row, column);
          break;
        case 3:
          avx2_tile<3>(task, row, column);
          break;
        case 4:
          avx2_tile<4>(task, row, column);
          break;
        case 5:
          avx2_tile<5>(task, row, column);
          break;
        default:
          avx2_tile<6>(task, row, column);
          break;
      }
      row += rows;
    }
  }
}

// Adding 0x7fff plus the last bit kept rounds to nearest, ties to even; a carry into the exponent is right, too.
inline __m256i rounded(__m256 values) {
  const __m256i bits = _mm256_castps_si256(values);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i sum = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  const __m256i quiet_nan = _mm256_set1_epi32(0x7fc0);
  const __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(values, values, _CMP_UNORD_Q));
  return _mm256_blendv_epi8(_mm256_srli_epi32(sum, 16), quiet_nan, is_nan);
}

}  // namespace

void round_avx2(const float* from, std::int64_t count, Bfloat16Bits* to) {
  std::int64_t i = 0;
  for (; i + 16 <= count; i += 16) {
    const __m256i packed =
        _mm256_packus_epi32(rounded(_mm256_loadu_ps(from + i)), rounded(_mm256_loadu_ps(from + i + 8)));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i), _mm256_permute4x64_epi64(packed, 0xd8));
  }
  if (i < count) round_generic(from + i, count - i, to + i);
}

void panel_avx2(const PanelTask<float>& task) {
  avx2_panel(task);
}

void panel_avx2(const PanelTask<Bfloat16Bits>& task) {
  avx2_panel(task);
}

}  // namespace drystill::kernels::cpu
