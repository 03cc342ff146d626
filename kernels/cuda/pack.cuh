#pragma once

#include <cuda_bf16.h>

#include <cstdint>

namespace drystill::kernels::cuda {

inline constexpr int kWarp = 32;
inline constexpr unsigned kWholeWarp = 0xffffffffu;

// `kSize` values moved by one instruction.
template <class Scalar, int kSize>
struct alignas(sizeof(Scalar) * kSize) Pack {
  Scalar values[kSize];
};

// Sixteen bytes a load, the widest there is.
template <class Scalar>
inline constexpr int kWidePack = 16 / sizeof(Scalar);

__device__ inline float to_float(float value) {
  return value;
}
__device__ inline float to_float(__nv_bfloat16 value) {
  return __bfloat162float(value);
}

template <class Scalar>
__device__ Scalar from_float(float value);
template <>
__device__ inline float from_float<float>(float value) {
  return value;
}
template <>
__device__ inline __nv_bfloat16 from_float<__nv_bfloat16>(float value) {
  return __float2bfloat16_rn(value);
}

inline bool aligned16(const void* pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer) % 16 == 0;
}

inline std::int64_t ceil_div(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}

}  // namespace drystill::kernels::cuda
