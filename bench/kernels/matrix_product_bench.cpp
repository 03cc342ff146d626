// The three products of a linear layer's training step, with SmolLM2-135M's shapes and the rows of two sequences:
// forward, gradient of the input, gradient of the weight. kernels/matrix_product and at::mm in turn, with the machine's
// multiply-add rate measured in the same rounds.
#include <ATen/ops/mm.h>
#include <ATen/ops/randn.h>
#include <benchmark/benchmark.h>
#include <c10/core/GradMode.h>

#include "bench/support/interleaved.h"
#include "bench/support/peak_multiply_add.h"
#include "core/seeds.h"
#include "kernels/matrix_product.h"

namespace drystill::kernels {
namespace {

constexpr std::int64_t kRows = 384;

struct Layer {
  const char* name;
  std::int64_t out, in;
};

struct Product {
  torch::Tensor a, b;  // a b^T
};

void step(benchmark::State& state, const Layer& layer) {
  const c10::NoGradGuard no_gradient;
  SeedStreams seeds(1);
  const auto random = [&](std::int64_t first, std::int64_t second) {
    return at::randn({first, second}, seeds.cpu_stream("bench"), torch::kFloat32);
  };
  const torch::Tensor x = random(kRows, layer.in), weight = random(layer.out, layer.in);
  const torch::Tensor gradient = random(kRows, layer.out);
  const Product products[] = {{x, weight}, {gradient, weight.t()}, {gradient.t(), x.t()}};
  const double work = 2.0 * static_cast<double>(kRows * layer.out * layer.in);

  constexpr std::size_t kProducts = std::size(products);
  bench::Interleaved times(2 * kProducts);
  double peak = 0;
  for (auto _ : state) {
    double seconds = 0;
    for (std::size_t i = 0; i < kProducts; ++i) {
      const auto& [a, b] = products[i];
      seconds += times.time(i, [&] { benchmark::DoNotOptimize(product_transposed(a, b)); });
      times.time(kProducts + i, [&] { benchmark::DoNotOptimize(at::mm(a, b.t())); });
    }
    state.SetIterationTime(seconds);
    peak = std::max(peak, bench::peak_multiply_add(torch::kFloat32));
  }
  const char* names[] = {"forward", "to_input", "to_weight"};
  for (std::size_t i = 0; i < kProducts; ++i) {
    state.counters[names[i]] = work / times.median(i) / peak;
    state.counters[std::string(names[i]) + "_at_mm"] = work / times.median(kProducts + i) / peak;
  }
  state.counters["peak_GFLOP/s"] = peak / 1e9;
}

const bool kMatrixProductRegistered = [] {
  for (const Layer layer : {Layer{"query", 576, 576}, Layer{"key", 192, 576}, Layer{"up", 1536, 576},
                            Layer{"down", 576, 1536}, Layer{"head", 49152, 576}}) {
    benchmark::RegisterBenchmark(c10::str("matrix_product/", layer.name).c_str(),
                                 [=](benchmark::State& state) { step(state, layer); })
        ->UseManualTime()
        ->Unit(benchmark::kMillisecond)
        ->Iterations(15);
  }
  return true;
}();

}  // namespace
}  // namespace drystill::kernels
