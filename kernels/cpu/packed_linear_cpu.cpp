#include "kernels/cpu/packed_linear_cpu.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "kernels/cpu/packed_linear_tiles.h"

namespace drystill::kernels::cpu {
namespace {

constexpr std::int64_t kProductsPerThread = 1 << 16;  // below this a second thread costs more than it saves

struct Instructions {
  void (*float_panel)(const PanelTask<float>&);
  void (*bfloat16_panel)(const PanelTask<Bfloat16Bits>&);
  void (*round)(const float*, std::int64_t, Bfloat16Bits*);
};

Instructions choose_instructions() {
#if defined(__x86_64__)
  // Asked of LibTorch, which checks the processor and honours its environment variable.
  const std::string capability = at::get_cpu_capability();
  if (capability == "AVX512") {
    if (__builtin_cpu_supports("avx512bf16")) return {panel_avx512, panel_avx512_bf16, round_avx512_bf16};
    return {panel_avx512, panel_avx2, round_avx2};
  }
  if (capability.starts_with("AVX")) return {panel_avx2, panel_avx2, round_avx2};
#endif
  return {panel_generic, panel_generic, round_generic};
}

const Instructions& instructions() {
  static const Instructions chosen = choose_instructions();
  return chosen;
}

template <class Scalar>
void all_panels(const PackedProduct& product, const Scalar* x, const Scalar* packed, std::int64_t depth,
                void (*run)(const PanelTask<Scalar>&)) {
  const std::int64_t panels = whole_panels(product.out) / kPanel;
  const std::int64_t grain = std::max<std::int64_t>(1, kProductsPerThread / (depth * kPanel));
  at::parallel_for(0, panels, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = 0; row < product.rows; row += kMostTaskRows) {
      for (std::int64_t panel = begin; panel < end; ++panel) {
        const Scalar* weights = packed + panel * depth * kPanel;
        run({.x = x + row * depth,
             .weights = weights,
             .next = panel + 1 < end ? weights + depth * kPanel : nullptr,
             .bias = product.bias ? product.bias + panel * kPanel : nullptr,
             .y = product.y + row * product.out + panel * kPanel,
             .rows = std::min(kMostTaskRows, product.rows - row),
             .depth = depth,
             .columns = std::min(kPanel, product.out - panel * kPanel),
             .x_stride = depth,
             .y_stride = product.out,
             .accumulate = product.accumulate});
      }
    }
  });
}

template <class Scalar>
void pack_panel(const Scalar* weight, std::int64_t in, std::int64_t columns, std::int64_t group, Scalar* to) {
  for (std::int64_t column = 0; column < columns; ++column) {
    for (std::int64_t k = 0; k < in; ++k) {
      to[(k / group * kPanel + column) * group + k % group] = weight[column * in + k];
    }
  }
}

template <class Scalar>
torch::Tensor pack(const torch::Tensor& weight, std::int64_t group) {
  const std::int64_t out = weight.size(0), in = weight.size(1), depth = (in + group - 1) / group * group;
  const torch::Tensor source = weight.contiguous();
  torch::Tensor packed = at::empty({whole_panels(out) / kPanel, depth / group, kPanel, group}, source.options());
  const auto* from = source.const_data_ptr<Scalar>();
  auto* to = packed.mutable_data_ptr<Scalar>();
  at::parallel_for(0, packed.size(0), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t panel = begin; panel < end; ++panel) {
      const std::int64_t columns = std::min(kPanel, out - panel * kPanel);
      Scalar* place = to + panel * depth * kPanel;
      if (columns < kPanel || depth > in) std::fill_n(place, depth * kPanel, Scalar(0.f));
      pack_panel(from + panel * kPanel * in, in, columns, group, place);
    }
  });
  return packed;
}

}  // namespace

std::int64_t whole_panels(std::int64_t out) {
  return (out + kPanel - 1) / kPanel * kPanel;
}

torch::Tensor pack_weight(const torch::Tensor& weight) {
  return weight.scalar_type() == torch::kBFloat16 ? pack<c10::BFloat16>(weight, 2) : pack<float>(weight, 1);
}

void packed_linear(const PackedProduct& product) {
  if (product.packed.scalar_type() != torch::kBFloat16) {
    all_panels(product, product.x, product.packed.const_data_ptr<float>(), product.in, instructions().float_panel);
    return;
  }
  const std::int64_t depth = product.in + product.in % 2;
  const torch::Tensor rounded = at::empty({product.rows, depth}, product.packed.options());
  auto* x = static_cast<Bfloat16Bits*>(rounded.mutable_data_ptr());
  for (std::int64_t row = 0; row < product.rows; ++row) {
    instructions().round(product.x + row * product.in, product.in, x + row * depth);
    if (depth > product.in) x[row * depth + product.in] = 0;
  }
  all_panels(product, const_cast<const Bfloat16Bits*>(x),
             static_cast<const Bfloat16Bits*>(product.packed.const_data_ptr()), depth, instructions().bfloat16_panel);
}

}  // namespace drystill::kernels::cpu
