#include "kernels/cpu/packed_linear_avx512_tile.h"

namespace drystill::kernels::cpu {
namespace {

// One step is two values of depth: a pair of x, broadcast, against pairs of weights.
struct Bfloat16Step {
  static __m512 broadcast(Bfloat16Pair pair) { return _mm512_castsi512_ps(_mm512_set1_epi32(static_cast<int>(pair))); }
  static __m512 multiply_add(__m512 sum, __m512 factor, __m512 weights) {
    return _mm512_dpbf16_ps(sum, (__m512bh)factor, (__m512bh)weights);
  }
};

}  // namespace

void panel_avx512_bf16(const PanelTask<Bfloat16Bits, Bfloat16Pair>& task) {
  avx512_panel(task, task.depth / 2, Bfloat16Step{});
}

void round_avx512_bf16(const float* from, std::int64_t count, Bfloat16Bits* to) {
  std::int64_t i = 0;
  for (; i + 16 <= count; i += 16) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i), (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(from + i)));
  }
  if (i < count) {
    const auto mask = static_cast<__mmask16>((1u << (count - i)) - 1);
    _mm256_mask_storeu_epi16(to + i, mask, (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, from + i)));
  }
}

}  // namespace drystill::kernels::cpu
