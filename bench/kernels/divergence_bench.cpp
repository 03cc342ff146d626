// Divergence with both gradients against its reference, in turn.
#include <ATen/ops/randn.h>
#include <benchmark/benchmark.h>
#include <torch/csrc/autograd/autograd.h>

#include "bench/support/interleaved.h"
#include "core/seeds.h"
#include "kernels/divergence.h"
#include "kernels/divergence_reference.h"

namespace drystill::kernels {
namespace {

void with_gradients(benchmark::State& state, DivergenceKind kind, std::int64_t rows, std::int64_t classes) {
  SeedStreams seeds(1);
  const auto logits = [&](const char* name) {
    return (3 * at::randn({rows, classes}, seeds.cpu_stream(name), torch::kFloat32)).requires_grad_();
  };
  const torch::Tensor student = logits("student"), teacher = logits("teacher");
  const DivergenceOptions options{.kind = kind, .temperature = 4};
  bench::Interleaved times(2);
  const auto step = [&](const auto& function) {
    benchmark::DoNotOptimize(torch::autograd::grad({function(student, teacher, options).sum()}, {student, teacher}));
  };
  for (auto _ : state) {
    state.SetIterationTime(times.time(0, [&] { step([](auto&&... arguments) { return divergence(arguments...); }); }));
    times.time(1, [&] { step([](auto&&... arguments) { return divergence_reference(arguments...); }); });
  }
  state.counters["times_reference"] = times.median(1) / times.median(0);
}

const bool kDivergenceRegistered = [] {
  for (const auto kind : {DivergenceKind::kForwardKl, DivergenceKind::kReverseKl, DivergenceKind::kJensenShannon,
                          DivergenceKind::kL1, DivergenceKind::kMse}) {
    for (const auto& [rows, classes] : {std::pair{256, 10}, std::pair{256, 100}, std::pair{256, 1000}}) {
      const std::string name = c10::str("divergence/", enum_name(kind), "/", rows, "x", classes);
      benchmark::RegisterBenchmark(
          name.c_str(), [=, r = rows, c = classes](benchmark::State& state) { with_gradients(state, kind, r, c); })
          ->UseManualTime()
          ->Unit(benchmark::kMicrosecond)
          ->Iterations(200);
    }
  }
  return true;
}();

}  // namespace
}  // namespace drystill::kernels
