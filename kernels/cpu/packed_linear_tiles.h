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
template <class Weight, class Value = Weight>
struct PanelTask {
  const Value* x;         // [rows, depth], rows `x_stride` apart; for panel_avx2 in tiles (RowTiles)
  const Weight* weights;  // one panel
  const Weight* next;     // the panel that this thread will read next: fetched ahead; null for none
  const float* bias;      // [kPanel] or null
  float* y;               // [rows, columns], rows `y_stride` apart
  std::int64_t rows, depth, columns;
  std::int64_t x_stride, y_stride;
  bool accumulate;  // add to what y holds
};

using Bfloat16Bits = std::uint16_t;

// panel_avx2 wants the rows of x in tiles of equal height, at most six: tile t has the rows [first_row(t), first_row(t
// + 1)), its values lie depth by depth, [depth][rows of the tile], from x + depth first_row(t). What a step of the
// inner loop reads of x is then one cache line; six rows a power of two apart would push each other out of the cache.
inline constexpr std::int64_t kTileRows = 6;

struct RowTiles {
  std::int64_t rows;
  [[gnu::always_inline]] std::int64_t count() const { return (rows + kTileRows - 1) / kTileRows; }
  [[gnu::always_inline]] std::int64_t first_row(std::int64_t tile) const { return rows * tile / count(); }
};

void panel_generic(const PanelTask<float>& task);
void panel_generic(const PanelTask<Bfloat16Bits>& task);
void panel_avx2(const PanelTask<float>& task);
void panel_avx2(const PanelTask<Bfloat16Bits, float>& task);
void panel_avx512(const PanelTask<float>& task);
void panel_avx512_bf16(const PanelTask<Bfloat16Bits>& task);

// float32 -> bfloat16, to nearest, ties to even; NaN stays NaN.
void round_generic(const float* from, std::int64_t count, Bfloat16Bits* to);
void round_avx2(const float* from, std::int64_t count, Bfloat16Bits* to);
void round_avx512_bf16(const float* from, std::int64_t count, Bfloat16Bits* to);

}  // namespace drystill::kernels::cpu
