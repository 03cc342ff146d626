#include <immintrin.h>

#include "kernels/cpu/packed_linear_tiles.h"

namespace drystill::kernels::cpu {
namespace {

// Up to six rows times two vectors of outputs, or few rows times the whole panel, which then is read in memory order:
// at most 12 sums, 2 weights and one broadcast in 16 registers.
constexpr int kMostRowsAvx2 = 6;
constexpr int kFewRows = 3;
constexpr int kLanes = 8;
// Weights that stay in the first-level cache (12 KB for two vectors of float) while all tiles of rows go over them.
constexpr std::int64_t kDepth = 192;

template <int kRows, int kVectors>
struct Sums {
  __m256 of[kRows][kVectors];
};

inline __m256 float_of(std::uint32_t upper_half) {
  return _mm256_castsi256_ps(_mm256_set1_epi32(static_cast<int>(upper_half)));
}

// Adds x[r, begin : end] w[begin : end, column : column + 8 kVectors], and fetches the weights kDepth further on.
template <int kRows, int kVectors>
inline void add_depth(const PanelTask<float>& task, const float* x, std::int64_t column, std::int64_t begin,
                      std::int64_t end, Sums<kRows, kVectors>& sums) {
  for (std::int64_t k = begin; k < end; ++k) {
    const float* w = task.weights + k * kPanel + column;
    for (int v = 0; v < kVectors; v += 2) _mm_prefetch(w + kDepth * kPanel + v * kLanes, _MM_HINT_T0);
    __m256 weight[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) weight[v] = _mm256_loadu_ps(w + v * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const __m256 factor = _mm256_broadcast_ss(x + r * task.x_stride + k);
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) sums.of[r][v] = _mm256_fmadd_ps(factor, weight[v], sums.of[r][v]);
    }
  }
}

// bfloat16 is the upper half of a float: of each pair, the second is the word without its lower half, the first the
// lower half moved up.
template <int kRows, int kVectors>
inline void add_depth(const PanelTask<Bfloat16Bits>& task, const Bfloat16Bits* x, std::int64_t column,
                      std::int64_t begin, std::int64_t end, Sums<kRows, kVectors>& sums) {
  const __m256 upper = float_of(0xffff0000u);
  for (std::int64_t k = begin; k < end; k += 2) {
    const auto* w = reinterpret_cast<const float*>(task.weights + k * kPanel + 2 * column);
    for (int v = 0; v < kVectors; v += 2) _mm_prefetch(w + kDepth * kPanel / 2 + v * kLanes, _MM_HINT_T0);
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      const __m256 pairs = _mm256_loadu_ps(w + v * kLanes);
      const __m256 first = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(pairs), 16));
      const __m256 second = _mm256_and_ps(pairs, upper);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const Bfloat16Bits* value = x + r * task.x_stride + k;
        const __m256 even = float_of(std::uint32_t{value[0]} << 16), odd = float_of(std::uint32_t{value[1]} << 16);
        sums.of[r][v] = _mm256_fmadd_ps(even, first, _mm256_fmadd_ps(odd, second, sums.of[r][v]));
      }
    }
  }
}

// What `rows` of one column block sum up to while the depth is gone through in pieces.
template <int kVectors>
struct Partial {
  alignas(32) float of[kMostTaskRows][kVectors * kLanes];
};

template <int kRows, int kVectors, class Scalar>
inline void avx2_tile(const PanelTask<Scalar>& task, std::int64_t row, std::int64_t column, std::int64_t begin,
                      std::int64_t end, Partial<kVectors>& partial) {
  Sums<kRows, kVectors> sums;
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      const float* from = begin > 0 ? partial.of[row + r] + v * kLanes : task.bias + column + v * kLanes;
      sums.of[r][v] = begin > 0 || task.bias ? _mm256_loadu_ps(from) : _mm256_setzero_ps();
    }
  }
  add_depth(task, task.x + row * task.x_stride, column, begin, end, sums);
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) _mm256_store_ps(partial.of[row + r] + v * kLanes, sums.of[r][v]);
  }
}

template <int kVectors, class Scalar>
inline void avx2_rows(const PanelTask<Scalar>& task, std::int64_t rows, std::int64_t row, std::int64_t column,
                      std::int64_t begin, std::int64_t end, Partial<kVectors>& partial) {
  if (rows == 1) return avx2_tile<1>(task, row, column, begin, end, partial);
  if (rows == 2) return avx2_tile<2>(task, row, column, begin, end, partial);
  if (kVectors > 2 || rows == 3) return avx2_tile<3>(task, row, column, begin, end, partial);
  if constexpr (kVectors == 2) {
    if (rows == 4) return avx2_tile<4>(task, row, column, begin, end, partial);
    if (rows == 5) return avx2_tile<5>(task, row, column, begin, end, partial);
    avx2_tile<6>(task, row, column, begin, end, partial);
  }
}

template <int kVectors, class Scalar>
inline void avx2_columns(const PanelTask<Scalar>& task) {
  constexpr std::int64_t kWidth = kVectors * kLanes;
  const std::int64_t tiles = (task.rows + kMostRowsAvx2 - 1) / kMostRowsAvx2;
  Partial<kVectors> partial{};
  for (std::int64_t column = 0; column < task.columns; column += kWidth) {
    for (std::int64_t begin = 0; begin < task.depth; begin += kDepth) {
      const std::int64_t end = begin + kDepth < task.depth ? begin + kDepth : task.depth;
      std::int64_t row = 0;
      for (std::int64_t tile = 0; tile < tiles; ++tile) {
        const std::int64_t rows = (task.rows - row + (tiles - tile) - 1) / (tiles - tile);  // tiles of equal height
        avx2_rows(task, rows, row, column, begin, end, partial);
        row += rows;
      }
    }
    const std::int64_t columns = task.columns - column < kWidth ? task.columns - column : kWidth;
    for (std::int64_t r = 0; r < task.rows; ++r) {
      float* y = task.y + r * task.y_stride + column;
      for (std::int64_t c = 0; c < columns; ++c) y[c] = task.accumulate ? y[c] + partial.of[r][c] : partial.of[r][c];
    }
  }
}

template <class Scalar>
inline void avx2_panel(const PanelTask<Scalar>& task) {
  if (task.rows <= kFewRows) {
    avx2_columns<4>(task);
  } else {
    avx2_columns<2>(task);
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
