#pragma once

#include <torch/types.h>

namespace drystill::kernels::cpu {

// Whether the vectorised code in kernels/cpu may run on this processor for this type: AVX2 with FMA on x86-64, and
// float32 or bfloat16. ATEN_CPU_CAPABILITY=default switches it off together with LibTorch's own vector code.
bool has_fast_path(torch::ScalarType type);

}  // namespace drystill::kernels::cpu
