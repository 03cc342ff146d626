// The CUDA kernels against the composed operators and against a device-to-device copy, timed by CUDA events. A copy
// moves every byte twice, so `share_of_bandwidth` compares bytes moved per second.
#include <ATen/ops/empty_like.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <benchmark/benchmark.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <vector>

#include "core/seeds.h"
#include "kernels/batch_statistics.h"
#include "kernels/batch_statistics_reference.h"
#include "kernels/divergence.h"
#include "kernels/divergence_reference.h"

namespace drystill::kernels {
namespace {

// Seconds of one `work` on the current stream: the median over repeats of several calls in a row, so that what the CPU
// does between two kernels is hidden where the kernels take longer, as in a training step.
template <class Work>
double gpu_seconds(const Work& work) {
  constexpr int kWarmUp = 3, kRepeats = 11, kCalls = 10;
  cudaEvent_t start, stop;
  cudaEventCreate(&start);
  cudaEventCreate(&stop);
  const cudaStream_t stream = c10::cuda::getCurrentCUDAStream();
  std::vector<float> milliseconds;
  for (int i = 0; i < kWarmUp + kRepeats; ++i) {
    cudaEventRecord(start, stream);
    for (int call = 0; call < kCalls; ++call) work();
    cudaEventRecord(stop, stream);
    cudaEventSynchronize(stop);
    float elapsed = 0;
    cudaEventElapsedTime(&elapsed, start, stop);
    if (i >= kWarmUp) milliseconds.push_back(elapsed / kCalls);
  }
  cudaEventDestroy(start);
  cudaEventDestroy(stop);
  std::nth_element(milliseconds.begin(), milliseconds.begin() + kRepeats / 2, milliseconds.end());
  return milliseconds[kRepeats / 2] * 1e-3;
}

struct Shape {
  const char* network;
  std::int64_t batch, channels, side;
};
// Batches large enough to leave the L2 cache of any current GPU, also in bfloat16, and one of a training step.
constexpr Shape kShapes[] = {{"wrn40_2", 256, 32, 32},   {"wrn40_2", 2048, 32, 32},  {"wrn40_2", 8192, 128, 8},
                             {"resnet34", 1024, 64, 32}, {"resnet34", 4096, 256, 8}, {"resnet34", 8192, 512, 4}};

void statistics(benchmark::State& state, const Shape& shape, torch::ScalarType type, at::MemoryFormat format) {
  SeedStreams seeds(1, torch::kCUDA);
  const torch::Tensor drawn =
      at::randn({shape.batch, shape.channels, shape.side, shape.side}, seeds.stream("input"), at::device(torch::kCUDA));
  const torch::Tensor input = drawn.to(type).contiguous(format).requires_grad_();
  const torch::Tensor values = input.detach(), copy = at::empty_like(values);
  const torch::Tensor mean = at::zeros({shape.channels}, torch::kCUDA),
                      variance = at::ones({shape.channels}, torch::kCUDA);
  const double bytes = static_cast<double>(input.nbytes());
  for (auto _ : state) {
    const double copied = gpu_seconds([&] { copy.copy_(values); });
    const double forward = gpu_seconds([&] { batch_statistics(values); });
    const double reference = gpu_seconds([&] { batch_statistics_reference(values); });
    const double both =
        gpu_seconds([&] { torch::autograd::grad({batch_norm_distance(input, mean, variance)}, {input}); });
    const double both_reference =
        gpu_seconds([&] { torch::autograd::grad({batch_norm_distance_reference(input, mean, variance)}, {input}); });
    state.SetIterationTime(forward);
    state.counters["MB"] = bytes * 1e-6;
    state.counters["copy_GBps"] = 2e-9 * bytes / copied;
    state.counters["fast_GBps"] = 1e-9 * bytes / forward;
    state.counters["share_of_bandwidth"] = copied / (2 * forward);
    state.counters["times_reference"] = reference / forward;
    state.counters["distance_and_gradient_times_reference"] = both_reference / both;
  }
}

void rows(benchmark::State& state, std::int64_t count, std::int64_t classes) {
  SeedStreams seeds(1, torch::kCUDA);
  const auto logits = [&] {
    return at::randn({count, classes}, seeds.stream("logits"), at::device(torch::kCUDA)).requires_grad_();
  };
  const torch::Tensor student = logits(), teacher = logits();
  const DivergenceOptions options{.temperature = 4};
  const auto step = [&](const auto& function) {
    return gpu_seconds([&] { torch::autograd::grad({function(student, teacher, options).sum()}, {student, teacher}); });
  };
  const torch::Tensor values = student.detach(), copy = at::empty_like(values);
  for (auto _ : state) {
    const double copied = gpu_seconds([&] { copy.copy_(values); });
    // Computes both gradients too: two tensors are read, two written.
    const double forward = gpu_seconds([&] { divergence(student, teacher, options); });
    const double fast = step([](auto&&... arguments) { return divergence(arguments...); });
    state.SetIterationTime(fast);
    state.counters["MB"] = 1e-6 * static_cast<double>(values.nbytes());
    state.counters["copy_GBps"] = 2e-9 * static_cast<double>(values.nbytes()) / copied;
    state.counters["fast_GBps"] = 4e-9 * static_cast<double>(values.nbytes()) / forward;
    state.counters["share_of_bandwidth"] = 2 * copied / forward;
    state.counters["times_reference"] =
        step([](auto&&... arguments) { return divergence_reference(arguments...); }) / fast;
  }
}

const bool kRegistered = [] {
  const auto once = [](const std::string& name, auto function) {
    benchmark::RegisterBenchmark(name.c_str(), function)->UseManualTime()->Unit(benchmark::kMicrosecond)->Iterations(1);
  };
  for (const Shape& shape : kShapes) {
    for (const auto type : {torch::kFloat32, torch::kBFloat16}) {
      for (const auto format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
        once(c10::str("cuda_statistics/", shape.network, "/", shape.batch, "x", shape.channels, "x", shape.side,
                      type == torch::kFloat32 ? "/fp32" : "/bf16",
                      format == at::MemoryFormat::Contiguous ? "/nchw" : "/nhwc"),
             [=](benchmark::State& state) { statistics(state, shape, type, format); });
      }
    }
  }
  for (const auto& [count, classes] :
       {std::pair{512, 10}, std::pair{512, 100}, std::pair{512, 1000}, std::pair{4096, 32000}}) {
    once(c10::str("cuda_divergence/kl/", count, "x", classes),
         [r = count, c = classes](benchmark::State& state) { rows(state, r, c); });
  }
  return true;
}();

}  // namespace
}  // namespace drystill::kernels
