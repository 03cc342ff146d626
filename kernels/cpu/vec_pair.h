#pragma once

#include <ATen/cpu/vec/functional.h>
#include <ATen/cpu/vec/vec.h>

#include <cstdint>
#include <type_traits>

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

// The same sixteen values in whatever order is cheapest, for sums. In `low` lane i stands value kUnorderedStep * i, in
// `high` the value unordered_high(i).
template <class Scalar>
inline constexpr std::int64_t kUnorderedStep = std::is_same_v<Scalar, c10::BFloat16> ? 2 : 1;

template <class Scalar>
constexpr std::int64_t unordered_high(std::int64_t lane) {
  return kUnorderedStep<Scalar> == 2 ? 2 * lane + 1 : kLanes + lane;
}

inline VecPair load_unordered_pair(const float* from) {
  return load_pair(from);
}

// Two bfloat16 in a 32-bit word: the first becomes a float by a shift, the second by a mask. A conversion in order
// takes three times as many instructions.
inline VecPair load_unordered_pair(const c10::BFloat16* from) {
  using Words = at::vec::Vectorized<std::int32_t>;
  const Words words = Words::loadu(from);
  return {at::vec::cast<float>(words << Words(16)), at::vec::cast<float>(words & Words(~0xffff))};
}

inline void store_pair(const VecPair& values, float* to) {
  values.low.store(to);
  values.high.store(to + kLanes);
}

inline void store_pair(const VecPair& values, c10::BFloat16* to) {
  at::vec::convert_from_float<c10::BFloat16>(values.low, values.high).store(to);
}

}  // namespace drystill::kernels::cpu
