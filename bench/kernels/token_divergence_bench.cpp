// forward_kl of 4,096 tokens through output heads of 49,152 words and 576 hidden values (SmolLM2-135M), with gradients
// of the student's hidden states and head: fused in chunks against composed of torch operators, in turn.
//
// Peak memory is what the allocations of one step reach above its start, by a c10 memory reporter (every CPU tensor
// passes through it). Both include the results themselves: the gradient of the head, in float32 113 MB.
#include <ATen/ops/kl_div.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/randn.h>
#include <benchmark/benchmark.h>
#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <atomic>

#include "bench/support/interleaved.h"
#include "core/seeds.h"
#include "kernels/token_divergence.h"

namespace drystill::kernels {
namespace {

constexpr std::int64_t kTokens = 4096, kWords = 49152, kHidden = 576;

// Highest sum of live tensor bytes since the last reset.
class PeakReporter : public c10::MemoryReportingInfoBase {
 public:
  void reportMemoryUsage(void*, std::int64_t bytes, std::size_t, std::size_t, c10::Device) override {
    const std::int64_t now = current_ += bytes;
    std::int64_t peak = peak_;
    while (now > peak && !peak_.compare_exchange_weak(peak, now)) {
    }
  }
  bool memoryProfilingEnabled() const override { return true; }

  void reset() { peak_ = start_ = current_.load(); }
  std::int64_t peak() const { return peak_ - start_; }

 private:
  std::atomic<std::int64_t> current_ = 0, peak_ = 0, start_ = 0;
};

struct Heads {
  HeadInput student, teacher;
};

Heads make_heads(torch::ScalarType type) {
  SeedStreams seeds(1);
  const auto normal = [&](std::int64_t rows, double scale, const char* name) {
    return (scale * at::randn({rows, kHidden}, seeds.cpu_stream(name), torch::kFloat32)).to(type);
  };
  const double scale = 3 / std::sqrt(kHidden);  // logits of standard deviation 3
  return {{normal(kTokens, 1, "hidden").requires_grad_(), normal(kWords, scale, "weight").requires_grad_()},
          {normal(kTokens, 1, "teacher_hidden"), normal(kWords, scale, "teacher_weight")}};
}

// As one would write it with torch operators; the fewest that stay in float32.
torch::Tensor composed(const Heads& heads) {
  torch::Tensor log_q;
  {
    const torch::NoGradGuard no_grad;
    log_q = at::log_softmax(heads.teacher.hidden.matmul(heads.teacher.weight.t()), 1, torch::kFloat32);
  }
  const torch::Tensor log_p =
      at::log_softmax(heads.student.hidden.matmul(heads.student.weight.t()), 1, torch::kFloat32);
  return at::kl_div(log_p, log_q, at::Reduction::Sum, /*log_target=*/true) / kTokens;
}

torch::Tensor fused(const Heads& heads, std::int64_t chunk_rows) {
  return fused_token_divergence(heads.student, heads.teacher, {}, {},
                                {.normaliser = static_cast<double>(kTokens), .chunk_rows = chunk_rows})
      .loss;
}

void fused_head(benchmark::State& state, torch::ScalarType type, std::int64_t chunk_rows) {
  const auto reporter = std::make_shared<PeakReporter>();
  const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, reporter);
  const Heads heads = make_heads(type);
  bench::Interleaved times(2);
  std::int64_t peaks[2] = {0, 0};
  double losses[2] = {0, 0};
  const auto step = [&](std::size_t way) {
    reporter->reset();
    const double seconds = times.time(way, [&] {
      const torch::Tensor loss = way == 0 ? fused(heads, chunk_rows) : composed(heads);
      losses[way] = loss.item<double>();
      benchmark::DoNotOptimize(torch::autograd::grad({loss}, {heads.student.hidden, heads.student.weight}));
    });
    peaks[way] = std::max(peaks[way], reporter->peak());
    return seconds;
  };
  for (auto _ : state) {
    state.SetIterationTime(step(0));
    step(1);
  }
  state.counters["times_composed"] = times.median(1) / times.median(0);
  state.counters["peak_MB"] = static_cast<double>(peaks[0]) * 1e-6;
  state.counters["composed_peak_MB"] = static_cast<double>(peaks[1]) * 1e-6;
  state.counters["memory_ratio"] = static_cast<double>(peaks[1]) / static_cast<double>(peaks[0]);
  state.counters["loss_difference"] = losses[0] - losses[1];
}

const bool kTokenBenchRegistered = [] {
  for (const auto& [name, type] : {std::pair{"float32", torch::kFloat32}, std::pair{"bfloat16", torch::kBFloat16}}) {
    for (const std::int64_t chunk_rows : {0, 128, 512}) {
      benchmark::RegisterBenchmark(
          c10::str("token_divergence/fused_head/", name, "/chunk_rows:", chunk_rows).c_str(),
          [t = type, chunk_rows](benchmark::State& state) { fused_head(state, t, chunk_rows); })
          ->UseManualTime()
          ->Unit(benchmark::kMillisecond)
          ->Iterations(3);
    }
  }
  return true;
}();

}  // namespace
}  // namespace drystill::kernels
