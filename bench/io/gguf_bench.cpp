// Opening a GGUF file and dequantising all of it, beside filling as much new memory with zeros on all threads: what
// writing alone costs. DRYSTILL_SMOLLM2 names the file, for which scripts/fetch_smollm2.sh is good.
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <cstring>
#include <vector>

#include "bench/support/interleaved.h"
#include "io/gguf.h"

namespace drystill::io {
namespace {

void plain_write(const torch::Tensor& tensor) {
  auto* bytes = static_cast<std::byte*>(tensor.data_ptr());
  at::parallel_for(0, static_cast<std::int64_t>(tensor.nbytes()), 1 << 17, [&](std::int64_t begin, std::int64_t end) {
    std::memset(bytes + begin, 0, static_cast<std::size_t>(end - begin));
  });
}

void open_and_dequantise(benchmark::State& state, at::ScalarType dtype) {
  const char* path = std::getenv("DRYSTILL_SMOLLM2");
  if (path == nullptr) {
    state.SkipWithError("set DRYSTILL_SMOLLM2 to the path that scripts/fetch_smollm2.sh prints");
    return;
  }
  bench::Interleaved times(2);
  std::int64_t bytes = 0;
  for (auto _ : state) {
    std::vector<torch::Tensor> tensors;
    state.SetIterationTime(times.time(0, [&] {
      const GgufFile file(path);
      for (const auto& [name, info] : file.tensors()) tensors.push_back(file.tensor(name, dtype));
    }));
    bytes = 0;
    std::vector<torch::Tensor> twins;
    for (const auto& tensor : tensors) bytes += static_cast<std::int64_t>(tensor.nbytes());
    times.time(1, [&] {
      for (const auto& tensor : tensors) plain_write(twins.emplace_back(at::empty(tensor.sizes(), tensor.options())));
    });
  }
  state.SetBytesProcessed(bytes * state.iterations());
  state.counters["share_of_plain_write"] = times.median(1) / times.median(0);
}

BENCHMARK_CAPTURE(open_and_dequantise, float32, at::kFloat)->UseManualTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(open_and_dequantise, bfloat16, at::kBFloat16)->UseManualTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace drystill::io
