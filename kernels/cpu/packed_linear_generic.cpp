#include "kernels/cpu/packed_linear_tiles.h"

namespace drystill::kernels::cpu {
namespace {

float to_float(float value) {
  return value;
}

float to_float(Bfloat16Bits bits) {
  const std::uint32_t word = std::uint32_t{bits} << 16;
  float value;
  __builtin_memcpy(&value, &word, sizeof value);
  return value;
}

// Where value (k, column) of a panel lies.
template <class Scalar>
std::int64_t place(std::int64_t k, std::int64_t column) {
  return sizeof(Scalar) == sizeof(float) ? k * kPanel + column : (k / 2 * kPanel + column) * 2 + k % 2;
}

template <class Scalar>
void rows_of_panel(const PanelTask<Scalar, float>& task) {
  for (std::int64_t row = 0; row < task.rows; ++row) {
    float sums[kPanel] = {};
    for (std::int64_t c = 0; task.bias && c < kPanel; ++c) sums[c] = task.bias[c];
    const float* x = task.x + row * task.depth;
    for (std::int64_t k = 0; k < task.depth; ++k) {
      for (std::int64_t c = 0; c < kPanel; ++c) sums[c] += x[k] * to_float(task.weights[place<Scalar>(k, c)]);
    }
    float* y = task.y + row * task.y_stride;
    for (std::int64_t c = 0; c < task.columns; ++c) y[c] = task.accumulate ? y[c] + sums[c] : sums[c];
  }
}

}  // namespace

void panel_generic(const PanelTask<float, float>& task) {
  rows_of_panel(task);
}

void panel_generic(const PanelTask<Bfloat16Bits, float>& task) {
  rows_of_panel(task);
}

void round_generic(const float* from, std::int64_t count, Bfloat16Bits* to) {
  for (std::int64_t i = 0; i < count; ++i) {
    std::uint32_t word;
    __builtin_memcpy(&word, from + i, sizeof word);
    const bool nan = from[i] != from[i];
    to[i] = nan ? Bfloat16Bits{0x7fc0} : static_cast<Bfloat16Bits>((word + 0x7fff + (word >> 16 & 1)) >> 16);
  }
}

}  // namespace drystill::kernels::cpu
