#pragma once

#include <cstdint>

namespace drystill::kernels::cpu {

struct BlockSums {
  float maximum, sum, tempered_sum;
};

// One block of kernels/logit_blocks.h, compiled for AVX2 where there is AVX2. `tempered_sum` is 0 unless asked for.
BlockSums block_sums(const float* logits, std::int64_t count, float inverse_temperature, bool tempered);

}  // namespace drystill::kernels::cpu
