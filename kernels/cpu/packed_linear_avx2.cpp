#include <immintrin.h>

#include "kernels/cpu/packed_linear_tiles.h"

namespace drystill::kernels::cpu {
namespace {

constexpr int kLanes = 8;
// The depth is gone through in pieces: 12 KB of float weights stay in the first-level cache while all tiles of rows go
// over them, and the same tiles fetch the next piece, so that memory is busy all the time and never waited for.
constexpr std::int64_t kDepth = 96;
constexpr std::int64_t kLine = 64;       // bytes of a cache line
constexpr std::int64_t kFetchEvery = 4;  // steps of depth
constexpr std::int64_t kFewRows = 3;     // up to here a tile has the whole panel: weights are read in memory order

// What the tiles sum up to from piece to piece.
using Partial = float[kMostTaskRows][kPanel];

struct Fetch {
  const char* from;
  std::int64_t lines;  // at every kFetchEvery steps

  void next() {
    for (std::int64_t line = 0; line < lines; ++line) _mm_prefetch(from + line * kLine, _MM_HINT_T0);
    from += lines * kLine;
  }
};

template <int kRows, int kVectors>
struct Sums {
  __m256 of[kRows][kVectors];
};

// One step: x [kRows] times w [kVectors kLanes].
template <int kRows, int kVectors>
inline void add_product(const float* x, const float* w, Sums<kRows, kVectors>& sums) {
  __m256 weight[kVectors];
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) weight[v] = _mm256_loadu_ps(w + v * kLanes);
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    const __m256 factor = _mm256_broadcast_ss(x + r);
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) sums.of[r][v] = _mm256_fmadd_ps(factor, weight[v], sums.of[r][v]);
  }
}

// partial[0 : kRows][0 : kVectors kLanes] += x[kRows of a tile, depth] w[depth, ...]. At most 12 sums, 4 weights or 2
// weights and one broadcast in 16 registers.
template <int kRows, int kVectors>
inline void add_tile(const float* x, const float* w, std::int64_t depth, float* partial, Fetch& fetch) {
  Sums<kRows, kVectors> sums;
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) sums.of[r][v] = _mm256_loadu_ps(partial + r * kPanel + v * kLanes);
  }
  std::int64_t k = 0;
  for (; k + kFetchEvery <= depth; k += kFetchEvery) {
    fetch.next();
#pragma GCC unroll 4
    for (std::int64_t step = k; step < k + kFetchEvery; ++step) add_product(x + step * kRows, w + step * kPanel, sums);
  }
  for (; k < depth; ++k) add_product(x + k * kRows, w + k * kPanel, sums);
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) _mm256_storeu_ps(partial + r * kPanel + v * kLanes, sums.of[r][v]);
  }
}

template <int kVectors>
inline void add_rows(std::int64_t rows, const float* x, const float* w, std::int64_t depth, float* partial,
                     Fetch& fetch) {
  if (rows == 1) return add_tile<1, kVectors>(x, w, depth, partial, fetch);
  if (rows == 2) return add_tile<2, kVectors>(x, w, depth, partial, fetch);
  if (kVectors > 2 || rows == 3) return add_tile<3, kVectors>(x, w, depth, partial, fetch);
  if constexpr (kVectors == 2) {
    if (rows == 4) return add_tile<4, 2>(x, w, depth, partial, fetch);
    if (rows == 5) return add_tile<5, 2>(x, w, depth, partial, fetch);
    add_tile<6, 2>(x, w, depth, partial, fetch);
  }
}

// Adds what the piece [begin, begin + depth) of all rows contributes to all columns of the panel.
template <int kVectors>
inline void add_piece(const float* x, const RowTiles& tiles, std::int64_t whole_depth, std::int64_t begin,
                      const float* w, std::int64_t depth, Partial& partial, Fetch& fetch) {
  for (std::int64_t tile = 0; tile < tiles.count(); ++tile) {
    const std::int64_t first = tiles.first_row(tile), rows = tiles.first_row(tile + 1) - first;
    for (std::int64_t column = 0; column < kPanel; column += kVectors * kLanes) {
      add_rows<kVectors>(rows, x + first * whole_depth + begin * rows, w + column, depth, partial[first] + column,
                         fetch);
    }
  }
}

inline void begin_with_bias(const float* bias, std::int64_t rows, Partial& partial) {
  for (std::int64_t c = 0; c < kPanel; c += kLanes) {
    const __m256 value = bias ? _mm256_loadu_ps(bias + c) : _mm256_setzero_ps();
    for (std::int64_t r = 0; r < rows; ++r) _mm256_storeu_ps(partial[r] + c, value);
  }
}

inline void write_row(const float* sums, std::int64_t columns, bool accumulate, float* y) {
  std::int64_t c = 0;
  for (; c + kLanes <= columns; c += kLanes) {
    const __m256 sum = _mm256_loadu_ps(sums + c);
    _mm256_storeu_ps(y + c, accumulate ? _mm256_add_ps(_mm256_loadu_ps(y + c), sum) : sum);
  }
  for (; c < columns; ++c) y[c] = accumulate ? y[c] + sums[c] : sums[c];
}

inline const float* float_weights(const float* from, std::int64_t, float*, Fetch&) {
  return from;
}

// bfloat16 is the upper half of a float: of each pair, the second is the word without its lower half, the first the
// lower half moved up.
inline const float* float_weights(const Bfloat16Bits* from, std::int64_t depth, float* to, Fetch& fetch) {
  const __m256i upper = _mm256_set1_epi32(static_cast<int>(0xffff0000u));
  for (std::int64_t k = 0; k < depth; k += 2) {
    if (k % kFetchEvery == 0) fetch.next();
#pragma GCC unroll 4
    for (int column = 0; column < kPanel; column += kLanes) {
      const auto pairs = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + k * kPanel + 2 * column));
      _mm256_store_ps(to + k * kPanel + column, _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16)));
      _mm256_store_ps(to + (k + 1) * kPanel + column, _mm256_castsi256_ps(_mm256_and_si256(pairs, upper)));
    }
  }
  return to;
}

template <class Weight>
inline void avx2_panel(const PanelTask<Weight, float>& task) {
  alignas(32) Partial partial;
  constexpr bool kConverts = sizeof(Weight) < sizeof(float);
  alignas(32) float converted[kConverts ? kDepth * kPanel : 1];
  begin_with_bias(task.bias, task.rows, partial);
  const RowTiles tiles{task.rows, kTileRowsAvx2};
  constexpr std::int64_t kLines = kFetchEvery * kPanel * std::int64_t{sizeof(Weight)} / kLine;
  const std::int64_t passes = (task.rows <= kFewRows ? 1 : 2 * tiles.count()) + (kConverts ? 1 : 0);
  for (std::int64_t begin = 0; begin < task.depth; begin += kDepth) {
    const std::int64_t depth = begin + kDepth < task.depth ? kDepth : task.depth - begin;
    const Weight* piece = task.weights + begin * kPanel;
    Fetch fetch{reinterpret_cast<const char*>(piece + kDepth * kPanel), (kLines + passes - 1) / passes};
    const float* weights = float_weights(piece, depth, converted, fetch);
    if (task.rows <= kFewRows) {
      add_piece<4>(task.x, tiles, task.depth, begin, weights, depth, partial, fetch);
    } else {
      add_piece<2>(task.x, tiles, task.depth, begin, weights, depth, partial, fetch);
    }
  }
  for (std::int64_t r = 0; r < task.rows; ++r)
    write_row(partial[r], task.columns, task.accumulate, task.y + r * task.y_stride);
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

void panel_avx2(const PanelTask<float, float>& task) {
  avx2_panel(task);
}

void panel_avx2(const PanelTask<Bfloat16Bits, float>& task) {
  avx2_panel(task);
}

}  // namespace drystill::kernels::cpu
