#pragma once

#include <cstdint>

namespace drystill::kernels {

inline constexpr std::int64_t kLogitBlock = 128;

inline std::int64_t logit_block_count(std::int64_t vocabulary) {
  return (vocabulary + kLogitBlock - 1) / kLogitBlock;
}

// What sampling needs to know of a row of logits, in one pass over memory: per block of 128 the maximum m, and the sum
// of exp((z - m) s) for s = 1 and for s = inverse_temperature. The sum over the vocabulary, the largest few logits and
// the place a random number falls on follow from these without another pass.
//
// logits: [rows, vocabulary], float32. maxima, sums, tempered_sums: [rows, blocks]; tempered_sums may be null. A block
// of minus infinities has the sums 0. NaN and plus infinity make a maximum that is not finite or a sum that is NaN.
void logit_blocks(const float* logits, std::int64_t rows, std::int64_t vocabulary, double inverse_temperature,
                  float* maxima, float* sums, float* tempered_sums);

}  // namespace drystill::kernels
