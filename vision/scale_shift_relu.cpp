#include "vision/scale_shift_relu.h"

#include <ATen/Parallel.h>

#include <algorithm>

namespace drystill::vision {
namespace {

constexpr std::int64_t kGrain = 1 << 15;  // values a thread must have to be worth waking

// One function of plain pointers so that the compiler vectorises it. A NaN stays a NaN, as in LibTorch's relu.
void scale_shift_relu_rows(const float* __restrict x, const float* __restrict scale, const float* __restrict shift,
                           float* __restrict y, std::int64_t rows, std::int64_t channels) {
  for (std::int64_t row = 0; row < rows; ++row, x += channels, y += channels) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const float value = x[c] * scale[c] + shift[c];
      y[c] = value < 0 ? 0 : value;
    }
  }
}

}  // namespace

bool can_scale_shift_relu(const torch::Tensor& x) {
  return x.is_cpu() && x.dim() == 4 && x.scalar_type() == torch::kFloat32 && x.numel() > 0 &&
         x.is_contiguous(at::MemoryFormat::ChannelsLast);
}

torch::Tensor scale_shift_relu(const torch::Tensor& x, const torch::Tensor& scale, const torch::Tensor& shift) {
  auto y = at::empty_like(x.detach(), x.options().memory_format(at::MemoryFormat::ChannelsLast));
  const auto scales = scale.contiguous();
  const auto shifts = shift.contiguous();
  const float* from = x.const_data_ptr<float>();
  const float* scale_values = scales.const_data_ptr<float>();
  const float* shift_values = shifts.const_data_ptr<float>();
  float* to = y.mutable_data_ptr<float>();
  const std::int64_t channels = x.size(1);
  const std::int64_t rows = x.numel() / channels;
  at::parallel_for(0, rows, std::max<std::int64_t>(1, kGrain / channels), [&](std::int64_t begin, std::int64_t end) {
    scale_shift_relu_rows(from + begin * channels, scale_values, shift_values, to + begin * channels, end - begin,
                          channels);
  });
  return y;
}

}  // namespace drystill::vision
