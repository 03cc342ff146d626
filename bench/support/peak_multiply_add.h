#pragma once

#include <torch/types.h>

namespace drystill::bench {

// Floating-point operations a second of all threads together, in multiply-adds on registers: the yardstick for kernels
// that are bound by arithmetic. Vectors as wide as the processor's; bfloat16 counts its dot-product instruction where
// there is one, and float32's rate elsewhere.
double peak_multiply_add(torch::ScalarType type);

}  // namespace drystill::bench
