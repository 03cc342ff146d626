#include "kernels/cpu/logit_blocks_vec.h"

#include <algorithm>
#include <limits>

#include "kernels/cpu/vec_pair.h"
#include "kernels/logit_blocks.h"

namespace drystill::kernels::cpu {
namespace {

float sum_of_lanes(const FloatVec& values) {
  return at::vec::vec_reduce_all<float>([](FloatVec& a, FloatVec& b) { return a + b; }, values);
}

}  // namespace

BlockSums block_sums(const float* logits, std::int64_t count, float inverse_temperature, bool tempered) {
  constexpr float kNothing = -std::numeric_limits<float>::infinity();
  // A last block is padded: what is added weighs exp(-inf) = 0.
  float padded[kLogitBlock];
  if (count < kLogitBlock) {
    std::copy_n(logits, count, padded);
    std::fill(padded + count, padded + kLogitBlock, kNothing);
    logits = padded;
  }
  FloatVec largest(kNothing);
  for (std::int64_t i = 0; i < kLogitBlock; i += kLanes) {
    largest = at::vec::maximum(largest, FloatVec::loadu(logits + i));  // NaN wins
  }
  const float maximum =
      at::vec::vec_reduce_all<float>([](FloatVec& a, FloatVec& b) { return at::vec::maximum(a, b); }, largest);
  if (maximum == kNothing) return {kNothing, 0, 0};
  const FloatVec top(maximum), scale(inverse_temperature);
  FloatVec sum(0.f), tempered_sum(0.f);
  for (std::int64_t i = 0; i < kLogitBlock; i += kLanes) {
    const FloatVec below = FloatVec::loadu(logits + i) - top;
    sum = sum + below.exp();
    if (tempered) tempered_sum = tempered_sum + (below * scale).exp();
  }
  return {maximum, sum_of_lanes(sum), tempered ? sum_of_lanes(tempered_sum) : 0};
}

}  // namespace drystill::kernels::cpu
