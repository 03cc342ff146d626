#pragma once

namespace drystill::kernels::cuda {

// What a raw pointer points at. Arithmetic is float32 either way.
enum class Storage { kFloat32, kBFloat16 };

}  // namespace drystill::kernels::cuda
