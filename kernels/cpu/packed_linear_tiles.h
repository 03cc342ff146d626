#pragma once

#include <cstdint>

// The inner loops of kernels/packed_linear, one file an instruction set. Those files are compiled with flags the rest
// of the program must not run, so they include nothing whose inline functions could be shared with it: raw pointers
// only.
namespace drystill::kernels::cpu {

inline constexpr std::int64_t kPanel = 32;          // outputs side by side in the packed weight
inline constexpr std::int64_t kMostTaskRows = 112;  // rows of a task: x stays in the second-level cache; 8 tiles of 14

// y[r, 0 : columns] (+)= bias + sum_k x[r, k] w[k, 0 : columns] for at most kMostTaskRows rows and one panel of
// weights. Packed weight of a panel: float32 [depth][kPanel]; bfloat16 [depth / 2][kPanel][2], so that the two factors
// of a dot-product instruction are neighbours. Both are padded with zeros to whole panels and an even depth.
template <class Weight, class Value>
struct PanelTask {
  const Value* x;         // rows in tiles (RowTiles)
  const Weight* weights;  // one panel
  const Weight* next;     // the panel that this thread will read next: fetched ahead; null for none
  const float* bias;      // [kPanel] or null
  float* y;               // [rows, columns], rows `y_stride` apart
  std::int64_t rows, depth, columns;
  std::int64_t y_stride;
  bool accumulate;  // add to what y holds
};

using Bfloat16Bits = std::uint16_t;
using Bfloat16Pair = std::uint32_t;  // neighbours in depth, the first in the lower half

// The rows of x are in tiles of equal height, at most `most`: tile t has the rows [first_row(t), first_row(t + 1)), its
// values lie step by step of depth, [steps][rows of the tile], from x + steps first_row(t). What one step of the inner
// loop reads of x is then one cache line; rows a power of two apart would push each other out of the cache.
struct RowTiles {
  std::int64_t rows, most;
  [[gnu::always_inline]] std::int64_t count() const { return (rows + most - 1) / most; }
  [[gnu::always_inline]] std::int64_t first_row(std::int64_t tile) const { return rows * tile / count(); }
};

// What each kernel has registers for.
inline constexpr std::int64_t kTileRowsGeneric = 1, kTileRowsAvx2 = 6, kTileRowsAvx512 = 14;

// A step is one float of x, which for bfloat16 weights is rounded to their type, or for the bfloat16 dot product a
// pair.
void panel_generic(const PanelTask<float, float>& task);
void panel_generic(const PanelTask<Bfloat16Bits, float>& task);
void panel_avx2(const PanelTask<float, float>& task);
void panel_avx2(const PanelTask<Bfloat16Bits, float>& task);
void panel_avx512(const PanelTask<float, float>& task);
void panel_avx512_bf16(const PanelTask<Bfloat16Bits, Bfloat16Pair>& task);

// float32 -> bfloat16, to nearest, ties to even; NaN stays NaN.
void round_generic(const float* from, std::int64_t count, Bfloat16Bits* to);
void round_avx2(const float* from, std::int64_t count, Bfloat16Bits* to);
void round_avx512_bf16(const float* from, std::int64_t count, Bfloat16Bits* to);

}  // namespace drystill::kernels::cpu
