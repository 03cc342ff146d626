#include "kernels/cpu/capability.h"

#include <ATen/Version.h>

namespace drystill::kernels::cpu {

bool has_fast_path(torch::ScalarType type) {
  // Asked of LibTorch, which checks the processor and honours its environment variable; "AVX512" includes AVX2.
  static const bool vectorised = at::get_cpu_capability().starts_with("AVX");
  return vectorised && (type == torch::kFloat32 || type == torch::kBFloat16);
}

}  // namespace drystill::kernels::cpu
