#include "bench/support/plain_read.h"

#include <ATen/Parallel.h>

#include <atomic>

namespace drystill::bench {

std::uint64_t plain_read(const torch::Tensor& tensor) {
  const auto* words = static_cast<const std::uint64_t*>(tensor.const_data_ptr());
  const auto count = static_cast<std::int64_t>(tensor.nbytes() / sizeof(std::uint64_t));
  std::atomic<std::uint64_t> result = 0;
  at::parallel_for(0, count, 1 << 12, [&](std::int64_t begin, std::int64_t end) {
    std::uint64_t all = 0;
    for (std::int64_t i = begin; i < end; ++i) all ^= words[i];  // vectorised: xor may be reordered
    result ^= all;
  });
  return result;
}

}  // namespace drystill::bench
