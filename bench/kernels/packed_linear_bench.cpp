// All matrix products of one step of generation with SmolLM2-135M's shapes: at::linear layer by layer as a model has
// them, and packed with q, k, v side by side and gate and up side by side; in turn, with the machine's two limits
// measured in the same rounds. 134 million weights exceed every cache, as they do in a model.
#include <ATen/Parallel.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/randn.h>
#include <benchmark/benchmark.h>
#include <c10/core/GradMode.h>

#include "bench/support/interleaved.h"
#include "bench/support/peak_multiply_add.h"
#include "bench/support/plain_read.h"
#include "core/seeds.h"
#include "kernels/packed_linear.h"

namespace drystill::kernels {
namespace {

constexpr std::int64_t kLayers = 30, kHidden = 576, kKeyValue = 192, kInner = 1536, kVocabulary = 49152;

using Shapes = std::vector<std::pair<std::int64_t, std::int64_t>>;  // (out, in)

Shapes step_shapes(bool fused) {
  Shapes shapes;
  for (std::int64_t layer = 0; layer < kLayers; ++layer) {
    if (fused) {
      shapes.insert(shapes.end(), {{kHidden + 2 * kKeyValue, kHidden}, {kHidden, kHidden}, {2 * kInner, kHidden}});
    } else {
      shapes.insert(shapes.end(), {{kHidden, kHidden},
                                   {kKeyValue, kHidden},
                                   {kKeyValue, kHidden},
                                   {kHidden, kHidden},
                                   {kInner, kHidden},
                                   {kInner, kHidden}});
    }
    shapes.emplace_back(kHidden, kInner);
  }
  shapes.emplace_back(kVocabulary, kHidden);
  return shapes;
}

void step(benchmark::State& state, torch::ScalarType type, std::int64_t rows) {
  const c10::NoGradGuard no_gradient;
  SeedStreams seeds(1);
  const auto random = [&](std::int64_t first, std::int64_t second) {
    return at::randn({first, second}, seeds.cpu_stream("bench"), torch::kFloat32);
  };
  std::vector<torch::Tensor> stock;
  for (const auto& [out, in] : step_shapes(false)) stock.push_back(random(out, in).to(type));
  std::vector<PackedLinear> packed;
  std::int64_t bytes = 0;
  for (const auto& [out, in] : step_shapes(true)) packed.emplace_back(random(out, in).to(type));
  for (const PackedLinear& layer : packed) bytes += layer.bytes();
  const torch::Tensor narrow = random(rows, kHidden), wide = random(rows, kInner);
  const torch::Tensor narrow_of_type = narrow.to(type), wide_of_type = wide.to(type);
  const torch::Tensor y = random(rows, kVocabulary);
  const torch::Tensor everything = random(bytes / 4 / kHidden, kHidden);

  bench::Interleaved times(3);
  double peak = 0;
  for (auto _ : state) {
    state.SetIterationTime(times.time(0, [&] {
      for (const PackedLinear& layer : packed) {
        const torch::Tensor& x = layer.in_features() == kHidden ? narrow : wide;
        layer.forward_rows(x.const_data_ptr<float>(), rows, y.mutable_data_ptr<float>());
      }
    }));
    times.time(1, [&] {
      for (const torch::Tensor& weight : stock) {
        benchmark::DoNotOptimize(at::linear(weight.size(1) == kHidden ? narrow_of_type : wide_of_type, weight));
      }
    });
    times.time(2, [&] { benchmark::DoNotOptimize(bench::plain_read(everything)); });
    peak = std::max(peak, bench::peak_multiply_add(type));
  }
  const double weights = static_cast<double>(bytes) / static_cast<double>(c10::elementSize(type));
  const double read = static_cast<double>(bytes) / times.median(2), work = 2 * weights * static_cast<double>(rows);
  state.counters["times_at_linear"] = times.median(1) / times.median(0);
  state.counters["read_share"] = static_cast<double>(bytes) / times.median(0) / read;
  state.counters["read_share_at_linear"] = static_cast<double>(bytes) / times.median(1) / read;
  state.counters["flops_share"] = work / times.median(0) / peak;
  state.counters["flops_share_at_linear"] = work / times.median(1) / peak;
  state.counters["read_GB/s"] = read / 1e9;
  state.counters["peak_GFLOP/s"] = peak / 1e9;
}

// What one parallel region costs: a step of generation has some hundred and fifty.
void region(benchmark::State& state) {
  for (auto _ : state) {
    at::parallel_for(0, at::get_num_threads(), 1,
                     [](std::int64_t begin, std::int64_t) { benchmark::DoNotOptimize(begin); });
  }
}

const bool kPackedLinearRegistered = [] {
  for (const auto type : {torch::kFloat32, torch::kBFloat16}) {
    for (const std::int64_t rows : {1, 2, 4, 8, 16, 32, 64}) {
      const std::string name = c10::str("packed_linear/", type, "/", rows);
      benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) { step(state, type, rows); })
          ->UseManualTime()
          ->Unit(benchmark::kMillisecond)
          ->Iterations(11);
    }
  }
  benchmark::RegisterBenchmark("parallel_region", region);
  return true;
}();

}  // namespace
}  // namespace drystill::kernels
