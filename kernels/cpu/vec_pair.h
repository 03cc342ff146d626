#pragma once

#include <ATen/cpu/vec/functional.h>
#include <ATen/cpu/vec/vec.h>

// Sixteen values at a time as two float vectors, whatever type they are stored in. Only for files compiled for AVX2.
namespace drystill::kernels::cpu {

using FloatVec = at::vec::Vectorized<float>;

inline constexpr std::int64_t kLanes = FloatVec::size();
inline constexpr std::int64_t kPair = 2 * kLanes;

struct VecPair {
  FloatVec low, high;
};

inline VecPair load_pair(const float* from) {
  return {FloatVec::loadu(from), FloatVec::loadu(from + kLanes)};
}

inline VecPair load_pair(const c10::BFloat16* from) {
  const auto [low, high] = at::vec::convert_to_float<c10::BFloat16>(at::vec::Vectorized<c10::BFloat16>::loadu(from));
  return {low, high};
}

inline void store_pair(const VecPair& values, float* to) {
  values.low.store(to);
  values.high.store(to + kLanes);
}

inline void store_pair(const VecPair& values, c10::BFloat16* to) {
  at::vec::convert_from_float<c10::BFloat16>(values.low, values.high).store(to);
}

}  // namespace drystill::kernels::cpu
