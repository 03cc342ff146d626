#pragma once

#include <cstdint>

namespace drystill {

// Caps LibTorch's intra-op threads; 0 means all cores this process may use. Call once, first thing in a run: LibTorch
// refuses later changes of its inter-op pool, and results on the CPU depend on the number of threads.
void limit_threads(std::int64_t threads);

}  // namespace drystill
