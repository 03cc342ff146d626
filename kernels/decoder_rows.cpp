#include "kernels/decoder_rows.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "kernels/cpu/capability.h"
#include "kernels/cpu/decoder_rows_vec.h"

namespace drystill::kernels {
namespace {

constexpr std::int64_t kCheapValues = 1 << 15, kCostlyValues = 1 << 12;  // below these a second thread does not pay

template <class Row>
void each_row(std::int64_t rows, std::int64_t width, std::int64_t values_per_thread, const Row& row) {
  at::parallel_for(0, rows, std::max<std::int64_t>(1, values_per_thread / width),
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t i = begin; i < end; ++i) row(i);
                   });
}

}  // namespace

bool has_decoder_kernels() {
#if defined(__x86_64__)
  return cpu::has_fast_path(torch::kFloat32);
#else
  return true;
#endif
}

void rms_norm_rows(const float* x, const float* weight, std::int64_t rows, std::int64_t width, double epsilon,
                   float* y) {
  each_row(rows, width, kCheapValues, [=](std::int64_t i) {
    cpu::rms_norm_row(x + i * width, weight, width, static_cast<float>(epsilon), y + i * width);
  });
}

void layer_norm_rows(const float* x, const float* weight, const float* bias, std::int64_t rows, std::int64_t width,
                     double epsilon, float* y) {
  each_row(rows, width, kCheapValues, [=](std::int64_t i) {
    cpu::layer_norm_row(x + i * width, weight, bias, width, static_cast<float>(epsilon), y + i * width);
  });
}

void gated_silu_rows(const float* gate_up, std::int64_t rows, std::int64_t width, float* y) {
  each_row(rows, width, kCostlyValues, [=](std::int64_t i) {
    const float* gate = gate_up + 2 * i * width;
    cpu::gated_silu_row(gate, gate + width, width, y + i * width);
  });
}

void gelu_tanh_rows(const float* x, std::int64_t rows, std::int64_t width, float* y) {
  each_row(rows, width, kCostlyValues,
           [=](std::int64_t i) { cpu::gelu_tanh_row(x + i * width, width, y + i * width); });
}

void rotate_heads(float* x, std::int64_t heads, std::int64_t half, const float* cosine, const float* sine) {
  for (std::int64_t head = 0; head < heads; ++head) cpu::rotate_row(x + 2 * half * head, cosine, sine, half);
}

}  // namespace drystill::kernels
