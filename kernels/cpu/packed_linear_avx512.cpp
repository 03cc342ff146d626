#include "kernels/cpu/packed_linear_avx512_tile.h"

namespace drystill::kernels::cpu {
namespace {

struct FloatStep {
  static __m512 broadcast(float value) { return _mm512_set1_ps(value); }
  static __m512 multiply_add(__m512 sum, __m512 factor, __m512 weights) {
    return _mm512_fmadd_ps(factor, weights, sum);
  }
};

}  // namespace

void panel_avx512(const PanelTask<float, float>& task) {
  avx512_panel(task, task.depth, FloatStep{});
}

}  // namespace drystill::kernels::cpu
