#include "kernels/cpu/packed_linear_cpu.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/ops/empty.h>
#include <c10/util/BFloat16.h>

#include <algorithm>

#include "kernels/cpu/packed_linear_tiles.h"

namespace drystill::kernels::cpu {
namespace {

// Below these a second thread costs more than it saves.
constexpr std::int64_t kProductsPerThread = 1 << 16, kTiledPerThread = 1 << 13;

// What multiplies weights of one type, and whether it wants the rows of x in tiles.
template <class Weight>
struct PanelKernel {
  void (*of_rows)(const PanelTask<Weight>&) = nullptr;
  void (*of_tiles)(const PanelTask<Weight, float>&) = nullptr;
};

struct Instructions {
  PanelKernel<float> float_panel;
  PanelKernel<Bfloat16Bits> bfloat16_panel;
  void (*round)(const float*, std::int64_t, Bfloat16Bits*);
};

Instructions choose_instructions() {
#if defined(__x86_64__)
  // Asked of LibTorch, which checks the processor and honours its environment variable.
  const std::string capability = at::get_cpu_capability();
  if (capability == "AVX512" && __builtin_cpu_supports("avx512bf16")) {
    return {{.of_rows = panel_avx512}, {.of_rows = panel_avx512_bf16}, round_avx512_bf16};
  }
  if (capability == "AVX512") return {{.of_rows = panel_avx512}, {.of_tiles = panel_avx2}, round_avx2};
  if (capability.starts_with("AVX")) return {{.of_tiles = panel_avx2}, {.of_tiles = panel_avx2}, round_avx2};
#endif
  return {{.of_rows = panel_generic}, {.of_rows = panel_generic}, round_generic};
}

const Instructions& instructions() {
  static const Instructions chosen = choose_instructions();
  return chosen;
}

float to_float(float value) {
  return value;
}

float to_float(Bfloat16Bits bits) {
  return c10::detail::f32_from_bits(bits);
}

// rows [kHeight, depth] -> [depth, kHeight]
template <int kHeight, class Value>
void transpose(const Value* rows, std::int64_t depth, float* to) {
  for (std::int64_t k = 0; k < depth; ++k) {
    for (int r = 0; r < kHeight; ++r) to[k * kHeight + r] = to_float(rows[r * depth + k]);
  }
}

template <class Value>
void transpose(const Value* rows, std::int64_t height, std::int64_t depth, float* to) {
  constexpr void (*kOfHeight[])(const Value*, std::int64_t, float*) = {transpose<1, Value>, transpose<2, Value>,
                                                                       transpose<3, Value>, transpose<4, Value>,
                                                                       transpose<5, Value>, transpose<6, Value>};
  static_assert(std::size(kOfHeight) == kTileRows);
  kOfHeight[height - 1](rows, depth, to);
}

// x [rows, depth] as panel_avx2 wants it (RowTiles), each kMostTaskRows rows by themselves.
template <class Value>
torch::Tensor in_tiles(const Value* x, std::int64_t rows, std::int64_t depth) {
  torch::Tensor tiles = at::empty({rows, depth}, torch::kFloat32);
  float* to = tiles.mutable_data_ptr<float>();
  for (std::int64_t row = 0; row < rows; row += kMostTaskRows) {
    const RowTiles task{std::min(kMostTaskRows, rows - row)};
    const std::int64_t grain = std::max<std::int64_t>(1, kTiledPerThread / (kTileRows * depth));
    at::parallel_for(0, task.count(), grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t tile = begin; tile < end; ++tile) {
        const std::int64_t first = task.first_row(tile), height = task.first_row(tile + 1) - first;
        transpose(x + (row + first) * depth, height, depth, to + (row + first) * depth);
      }
    });
  }
  return tiles;
}

template <class Weight, class Value>
void all_panels(const PackedProduct& product, const Value* x, std::int64_t depth,
                void (*run)(const PanelTask<Weight, Value>&)) {
  const auto* packed = static_cast<const Weight*>(product.packed.const_data_ptr());
  const std::int64_t panels = whole_panels(product.out) / kPanel;
  const std::int64_t grain = std::max<std::int64_t>(1, kProductsPerThread / (depth * kPanel));
  at::parallel_for(0, panels, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = 0; row < product.rows; row += kMostTaskRows) {
      for (std::int64_t panel = begin; panel < end; ++panel) {
        const Weight* weights = packed + panel * depth * kPanel;
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

template <class Weight>
void multiply(const PackedProduct& product, const Weight* x, std::int64_t depth, const PanelKernel<Weight>& kernel) {
  if (kernel.of_rows) return all_panels<Weight, Weight>(product, x, depth, kernel.of_rows);
  const torch::Tensor tiles = in_tiles(x, product.rows, depth);
  all_panels<Weight, float>(product, tiles.const_data_ptr<float>(), depth, kernel.of_tiles);
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
    return multiply(product, product.x, product.in, instructions().float_panel);
  }
  const std::int64_t depth = product.in + product.in % 2;
  const torch::Tensor rounded = at::empty({product.rows, depth}, product.packed.options());
  auto* x = static_cast<Bfloat16Bits*>(rounded.mutable_data_ptr());
  for (std::int64_t row = 0; row < product.rows; ++row) {
    instructions().round(product.x + row * product.in, product.in, x + row * depth);
    if (depth > product.in) x[row * depth + product.in] = 0;
  }
  multiply<Bfloat16Bits>(product, x, depth, instructions().bfloat16_panel);
}

}  // namespace drystill::kernels::cpu
