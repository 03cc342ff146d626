#pragma once

#include <immintrin.h>

#include "kernels/cpu/packed_linear_tiles.h"

// What the float32 and the bfloat16 kernel share. Two vectors of outputs times up to 14 rows: 28 sums and 2 weights
// fill the 32 registers, and 2 + 14 loads for 28 multiply-adds stay below what two load ports deliver.
namespace drystill::kernels::cpu {
namespace {

constexpr std::int64_t kLine = 64;          // bytes of a cache line
constexpr std::int64_t kAhead = 16 * 1024;  // bytes a single tile reads ahead
constexpr std::int64_t kFewRows = 4;        // below, the processor's own prefetcher keeps up

// One (stride 64) or two (stride 128) cache lines are fetched ahead at each of the first `steps` steps.
struct Fetch {
  const char* from;
  std::int64_t stride, steps;
};

// Tiles of one panel share the work of fetching the next one: memory is never waited for while the sums are busy. With
// a single tile the panel itself streams from memory, and is fetched a fixed distance ahead.
template <class Weight, class Value>
inline Fetch fetch_for(const PanelTask<Weight, Value>& task, std::int64_t tile, std::int64_t tiles,
                       std::int64_t steps) {
  if (tiles == 1) {
    return {reinterpret_cast<const char*>(task.weights) + kAhead, 2 * kLine, task.rows < kFewRows ? 0 : steps};
  }
  if (!task.next) return {nullptr, kLine, 0};
  const std::int64_t lines = 2 * steps, share = (lines + tiles - 1) / tiles, left = lines - share * tile;
  return {reinterpret_cast<const char*>(task.next) + kLine * share * tile, kLine, share < left ? share : left};
}

template <int kRows, class Weight, class Value, class Step>
inline void avx512_tile(const PanelTask<Weight, Value>& task, std::int64_t row, std::int64_t steps, const Step& step,
                        const Fetch& fetch) {
  __m512 low[kRows], high[kRows];
  const __m512 bias_low = task.bias ? _mm512_loadu_ps(task.bias) : _mm512_setzero_ps();
  const __m512 bias_high = task.bias ? _mm512_loadu_ps(task.bias + 16) : _mm512_setzero_ps();
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) low[r] = bias_low, high[r] = bias_high;
  const Value* x = task.x + row * steps;
  const char* weights = reinterpret_cast<const char*>(task.weights);
  for (std::int64_t k = 0; k < steps; ++k) {
    if (k < fetch.steps) {
      _mm_prefetch(fetch.from + fetch.stride * k, _MM_HINT_T0);
      _mm_prefetch(fetch.from + fetch.stride * k + fetch.stride - 64, _MM_HINT_T0);
    }
    const __m512 w_low = _mm512_loadu_ps(weights + 128 * k), w_high = _mm512_loadu_ps(weights + 128 * k + 64);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const __m512 factor = step.broadcast(x[k * kRows + r]);
      low[r] = step.multiply_add(low[r], factor, w_low);
      high[r] = step.multiply_add(high[r], factor, w_high);
    }
  }
  const auto mask = static_cast<std::uint32_t>((std::uint64_t{1} << task.columns) - 1);
  const auto mask_low = static_cast<__mmask16>(mask), mask_high = static_cast<__mmask16>(mask >> 16);
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    float* y = task.y + (row + r) * task.y_stride;
    if (task.accumulate) {
      low[r] = _mm512_add_ps(low[r], _mm512_maskz_loadu_ps(mask_low, y));
      high[r] = _mm512_add_ps(high[r], _mm512_maskz_loadu_ps(mask_high, y + 16));
    }
    _mm512_mask_storeu_ps(y, mask_low, low[r]);
    _mm512_mask_storeu_ps(y + 16, mask_high, high[r]);
  }
}

template <class Weight, class Value, class Step>
inline void avx512_panel(const PanelTask<Weight, Value>& task, std::int64_t steps, const Step& step) {
  const RowTiles tiles{task.rows, kTileRowsAvx512};
  for (std::int64_t tile = 0; tile < tiles.count(); ++tile) {
    const std::int64_t row = tiles.first_row(tile), rows = tiles.first_row(tile + 1) - row;
    const Fetch fetch = fetch_for(task, tile, tiles.count(), steps);
    switch (rows) {
      case 1:
        avx512_tile<1>(task, row, steps, step, fetch);
        break;
      case 2:
        avx512_tile<2>(task, row, steps, step, fetch);
        break;
      case 3:
        avx512_tile<3>(task, row, steps, step, fetch);
        break;
      case 4:
        avx512_tile<4>(task, row, steps, step, fetch);
        break;
      case 5:
        avx512_tile<5>(task, row, steps, step, fetch);
        break;
      case 6:
        avx512_tile<6>(task, row, steps, step, fetch);
        break;
      case 7:
        avx512_tile<7>(task, row, steps, step, fetch);
        break;
      case 8:
        avx512_tile<8>(task, row, steps, step, fetch);
        break;
      case 9:
        avx512_tile<9>(task, row, steps, step, fetch);
        break;
      case 10:
        avx512_tile<10>(task, row, steps, step, fetch);
        break;
      case 11:
        avx512_tile<11>(task, row, steps, step, fetch);
        break;
      case 12:
        avx512_tile<12>(task, row, steps, step, fetch);
        break;
      case 13:
        avx512_tile<13>(task, row, steps, step, fetch);
        break;
      default:
        avx512_tile<14>(task, row, steps, step, fetch);
        break;
    }
  }
}

}  // namespace
}  // namespace drystill::kernels::cpu
