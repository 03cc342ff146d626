// Batch statistics against a plain read of the same bytes and against its reference, over the batch-norm inputs of real
// networks. They run in turn, each on the next of several tensors, together larger than any cache: first the plain read
// and the kernel, for the share of the bandwidth; then the reference and the kernel. That second time of the kernel is
// behind other code, as in a network, whose traces in the processor (caches of code, prefetchers) a small tensor pays
// for.
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <benchmark/benchmark.h>
#include <torch/csrc/autograd/autograd.h>

#include "bench/support/interleaved.h"
#include "bench/support/plain_read.h"
#include "core/seeds.h"
#include "kernels/batch_statistics.h"
#include "kernels/batch_statistics_reference.h"

namespace drystill::kernels {
namespace {

struct Shape {
  const char* network;
  std::int64_t batch, channels, side;
};

constexpr Shape kShapes[] = {
    {"wrn40_2", 128, 32, 32},   {"wrn40_2", 128, 64, 16},  {"wrn40_2", 128, 128, 8},  {"wrn40_2", 256, 32, 32},
    {"resnet20", 256, 16, 32},  {"resnet20", 256, 32, 16}, {"resnet20", 256, 64, 8},  {"resnet34", 128, 64, 32},
    {"resnet34", 128, 128, 16}, {"resnet34", 128, 256, 8}, {"resnet34", 128, 512, 4}, {"resnet34", 256, 64, 32},
};

constexpr std::size_t kBytesOutOfCache = std::size_t{256} << 20;
constexpr int kRoundsWithReference = 15;

std::vector<torch::Tensor> inputs(const Shape& shape, torch::ScalarType type, at::MemoryFormat format) {
  SeedStreams seeds(1);
  std::vector<torch::Tensor> tensors;
  for (std::size_t bytes = 0; bytes < kBytesOutOfCache; bytes += tensors.back().nbytes()) {
    tensors.push_back(
        at::empty({shape.batch, shape.channels, shape.side, shape.side}, at::dtype(type).memory_format(format)));
    tensors.back().normal_(0.3, 1.2, seeds.cpu_stream("input"));
    tensors.back().requires_grad_();
  }
  return tensors;
}

void forward(benchmark::State& state, const Shape& shape, torch::ScalarType type, at::MemoryFormat format) {
  const std::vector<torch::Tensor> tensors = inputs(shape, type, format);
  const torch::NoGradGuard no_grad;
  std::size_t next = 0;
  // Each way takes another tensor, so that none finds the other's bytes in cache.
  const auto input = [&]() -> const torch::Tensor& { return tensors[next++ % tensors.size()]; };
  bench::Interleaved alone(2), behind_others(2);
  for (auto _ : state) {
    alone.time(0, [&, &x = input()] { benchmark::DoNotOptimize(bench::plain_read(x)); });
    state.SetIterationTime(alone.time(1, [&, &x = input()] { benchmark::DoNotOptimize(batch_statistics(x)); }));
    ++next;  // ways and tensors must not stay in step
  }
  for (int round = 0; round < kRoundsWithReference; ++round) {
    behind_others.time(0, [&, &x = input()] { benchmark::DoNotOptimize(batch_statistics_reference(x)); });
    behind_others.time(1, [&, &x = input()] { benchmark::DoNotOptimize(batch_statistics(x)); });
    ++next;
  }
  const double gigabytes = static_cast<double>(tensors.front().nbytes()) * 1e-9;
  state.counters["MB"] = gigabytes * 1e3;
  state.counters["read_GBps"] = gigabytes / alone.median(0);
  state.counters["fast_GBps"] = gigabytes / alone.median(1);
  state.counters["share_of_read"] = alone.median(0) / alone.median(1);
  state.counters["share_behind_others"] = alone.median(0) / behind_others.median(1);
  state.counters["times_reference"] = behind_others.median(0) / behind_others.median(1);
}

void distance_with_gradient(benchmark::State& state, const Shape& shape, torch::ScalarType type,
                            at::MemoryFormat format) {
  const std::vector<torch::Tensor> tensors = inputs(shape, type, format);
  const torch::Tensor mean = at::zeros({shape.channels}), variance = at::ones({shape.channels});
  bench::Interleaved times(2);
  std::size_t next = 0;
  const auto step = [&](const auto& distance) {
    const torch::Tensor& x = tensors[next++ % tensors.size()];
    benchmark::DoNotOptimize(torch::autograd::grad({distance(x, mean, variance)}, {x}));
  };
  for (auto _ : state) {
    state.SetIterationTime(times.time(0, [&] { step(batch_norm_distance); }));
    times.time(1, [&] { step(batch_norm_distance_reference); });
    ++next;
  }
  state.counters["MB"] = static_cast<double>(tensors.front().nbytes()) * 1e-6;
  state.counters["times_reference"] = times.median(1) / times.median(0);
}

const bool kBatchStatisticsRegistered = [] {
  const auto add = [](const std::string& name, auto function, const Shape& shape, torch::ScalarType type,
                      at::MemoryFormat format, std::int64_t iterations) {
    benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) { function(state, shape, type, format); })
        ->UseManualTime()
        ->Unit(benchmark::kMillisecond)
        ->Iterations(iterations);
  };
  for (const Shape& shape : kShapes) {
    for (const auto type : {torch::kFloat32, torch::kBFloat16}) {
      for (const auto format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
        const std::string name = c10::str(shape.network, "/", shape.batch, "x", shape.channels, "x", shape.side, "x",
                                          shape.side, type == torch::kFloat32 ? "/fp32" : "/bf16",
                                          format == at::MemoryFormat::Contiguous ? "/nchw" : "/nhwc");
        add("statistics/" + name, forward, shape, type, format, 101);
        add("distance_and_gradient/" + name, distance_with_gradient, shape, type, format, 31);
      }
    }
  }
  return true;
}();

}  // namespace
}  // namespace drystill::kernels
