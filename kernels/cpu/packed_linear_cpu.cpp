#include "kernels/cpu/packed_linear_cpu.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/ops/empty.h>
#include <c10/util/BFloat16.h>

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "kernels/cpu/packed_linear_tiles.h"

namespace drystill::kernels::cpu {
namespace {

// Below these a second thread costs more than it saves.
constexpr std::int64_t kProductsPerThread = 1 << 16, kTiledPerThread = 1 << 14;

template <class Weight, class Value>
struct PanelKernel {
  void (*multiply)(const PanelTask<Weight, Value>&) = nullptr;
  std::int64_t tile_rows = 0;
};

struct Instructions {
  PanelKernel<float, float> floats;
  // For bfloat16 weights; of the two, the pairs' where there is one.
  PanelKernel<Bfloat16Bits, float> rounded;
  PanelKernel<Bfloat16Bits, Bfloat16Pair> pairs;
  void (*round)(const float*, std::int64_t, Bfloat16Bits*);
};

Instructions choose_instructions() {
  Instructions chosen = {{panel_generic, kTileRowsGeneric}, {panel_generic, kTileRowsGeneric}, {}, round_generic};
#if defined(__x86_64__)
  // Asked of LibTorch, which checks the processor and honours its environment variable.
  const std::string capability = at::get_cpu_capability();
  if (capability.starts_with("AVX")) {
    chosen = {{panel_avx2, kTileRowsAvx2}, {panel_avx2, kTileRowsAvx2}, {}, round_avx2};
  }
  if (capability == "AVX512") {
    chosen.floats = {panel_avx512, kTileRowsAvx512};
    if (__builtin_cpu_supports("avx512bf16")) {
      chosen.pairs = {panel_avx512_bf16, kTileRowsAvx512};
      chosen.round = round_avx512_bf16;
    }
  }
#endif
  return chosen;
}

const Instructions& instructions() {
  static const Instructions chosen = choose_instructions();
  return chosen;
}

template <class Value>
std::int64_t steps_of(std::int64_t depth) {
  return std::is_same_v<Value, Bfloat16Pair> ? depth / 2 : depth;
}

// Step k of a row.
template <class Value>
Value step_of(const Value* row, std::int64_t k) {
  return row[k];
}

template <class Value>
Value step_of(const Bfloat16Bits* row, std::int64_t k) {
  if constexpr (std::is_same_v<Value, float>) {
    return c10::detail::f32_from_bits(row[k]);
  } else {
    Bfloat16Pair pair;
    std::memcpy(&pair, row + 2 * k, sizeof pair);
    return pair;
  }
}

// x [rows, depth] -> in tiles (RowTiles), each kMostTaskRows rows by themselves.
template <class Value, class From>
torch::Tensor in_tiles(const From* x, std::int64_t rows, std::int64_t depth, std::int64_t most) {
  constexpr std::int64_t kBlock = 16;
  const std::int64_t steps = steps_of<Value>(depth);
  torch::Tensor tiles = at::empty({rows * steps * std::int64_t{sizeof(Value)}}, torch::kUInt8);
  auto* to = static_cast<Value*>(tiles.mutable_data_ptr());
  const auto fill = [&](std::int64_t row, std::int64_t height, std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = 0; r < height; ++r) {
      const From* from = x + (row + r) * depth;
      Value* place = to + row * steps + r;
      for (std::int64_t k = begin; k < end; ++k) place[k * height] = step_of<Value>(from, k);
    }
  };
  const std::int64_t blocks = (steps + kBlock - 1) / kBlock;
  const std::int64_t grain = std::max<std::int64_t>(1, kTiledPerThread / (kBlock * rows));
  at::parallel_for(0, blocks, grain, [&](std::int64_t first_block, std::int64_t end_block) {
    for (std::int64_t row = 0; row < rows; row += kMostTaskRows) {
      const RowTiles of_task{std::min(kMostTaskRows, rows - row), most};
      for (std::int64_t tile = 0; tile < of_task.count(); ++tile) {
        const std::int64_t first = of_task.first_row(tile), height = of_task.first_row(tile + 1) - first;
        for (std::int64_t block = first_block; block < end_block; ++block) {
          fill(row + first, height, block * kBlock, std::min(steps, (block + 1) * kBlock));
        }
      }
    }
  });
  return tiles;
}

template <class Weight, class Value>
void all_panels(const PackedProduct& product, const Value* x, std::int64_t depth,
                void (*multiply)(const PanelTask<Weight, Value>&)) {
  const auto* packed = static_cast<const Weight*>(product.packed.const_data_ptr());
  const std::int64_t panels = whole_panels(product.out) / kPanel;
  const std::int64_t grain = std::max<std::int64_t>(1, kProductsPerThread / (depth * kPanel));
  at::parallel_for(0, panels, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = 0; row < product.rows; row += kMostTaskRows) {
      for (std::int64_t panel = begin; panel < end; ++panel) {
        const Weight* weights = packed + panel * depth * kPanel;
        multiply({.x = x + row * steps_of<Value>(depth),
                  .weights = weights,
                  .next = panel + 1 < end ? weights + depth * kPanel : nullptr,
                  .bias = product.bias ? product.bias + panel * kPanel : nullptr,
                  .y = product.y + row * product.out + panel * kPanel,
                  .rows = std::min(kMostTaskRows, product.rows - row),
                  .depth = depth,
                  .columns = std::min(kPanel, product.out - panel * kPanel),
                  .y_stride = product.out,
                  .accumulate = product.accumulate});
      }
    }
  });
}

template <class Weight, class Value, class From>
void multiply(const PackedProduct& product, const From* x, std::int64_t depth,
              const PanelKernel<Weight, Value>& kernel) {
  if constexpr (std::is_same_v<From, Value>) {
    if (product.rows == 1 || kernel.tile_rows == 1) return all_panels(product, x, depth, kernel.multiply);
  }
  const torch::Tensor tiles = in_tiles<Value>(x, product.rows, depth, kernel.tile_rows);
  all_panels(product, static_cast<const Value*>(tiles.const_data_ptr()), depth, kernel.multiply);
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
  const Instructions& use = instructions();
  if (product.packed.scalar_type() != torch::kBFloat16) return multiply(product, product.x, product.in, use.floats);
  const std::int64_t depth = product.in + product.in % 2;
  const torch::Tensor rounded = at::empty({product.rows, depth}, product.packed.options());
  auto* bits = static_cast<Bfloat16Bits*>(rounded.mutable_data_ptr());
  for (std::int64_t row = 0; row < product.rows; ++row) {
    use.round(product.x + row * product.in, product.in, bits + row * depth);
    if (depth > product.in) bits[row * depth + product.in] = 0;
  }
  if (!use.pairs.multiply) return multiply(product, bits, depth, use.rounded);
  if (product.rows == 1) {  // a tile as it is
    return all_panels(product, static_cast<const Bfloat16Pair*>(rounded.const_data_ptr()), depth, use.pairs.multiply);
  }
  multiply(product, bits, depth, use.pairs);
}

}  // namespace drystill::kernels::cpu
