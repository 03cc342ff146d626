#pragma once

#include <torch/types.h>

#include <cstdint>

namespace drystill::bench {

// Reads every byte of a dense CPU tensor once on all threads, with as little work as possible: the yardstick for
// kernels that are bound by memory. The result only keeps the compiler from dropping the loads.
std::uint64_t plain_read(const torch::Tensor& tensor);

}  // namespace drystill::bench
