#include "kernels/logit_blocks.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/cpu/logit_blocks_vec.h"
#include "kernels/decoder_rows.h"

namespace drystill::kernels {
namespace {

constexpr std::int64_t kBlocksPerThread = 64;  // below this a second thread costs more than it saves

cpu::BlockSums plain_block(const float* logits, std::int64_t count, float inverse_temperature, bool tempered) {
  cpu::BlockSums result{-std::numeric_limits<float>::infinity(), 0, 0};
  for (std::int64_t i = 0; i < count; ++i) {
    if (std::isnan(logits[i])) return {logits[i], logits[i], logits[i]};
    result.maximum = std::max(result.maximum, logits[i]);
  }
  if (result.maximum == -std::numeric_limits<float>::infinity()) return result;
  for (std::int64_t i = 0; i < count; ++i) {
    const float below = logits[i] - result.maximum;
    result.sum += std::exp(below);
    if (tempered) result.tempered_sum += std::exp(below * inverse_temperature);
  }
  return result;
}

}  // namespace

void logit_blocks(const float* logits, std::int64_t rows, std::int64_t vocabulary, double inverse_temperature,
                  float* maxima, float* sums, float* tempered_sums) {
  const std::int64_t blocks = logit_block_count(vocabulary);
  const auto block_sums = has_decoder_kernels() ? cpu::block_sums : plain_block;
  at::parallel_for(0, rows * blocks, kBlocksPerThread, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t first = i % blocks * kLogitBlock;
      const auto block = block_sums(logits + i / blocks * vocabulary + first, std::min(kLogitBlock, vocabulary - first),
                                    static_cast<float>(inverse_temperature), tempered_sums != nullptr);
      maxima[i] = block.maximum;
      sums[i] = block.sum;
      if (tempered_sums) tempered_sums[i] = block.tempered_sum;
    }
  });
}

}  // namespace drystill::kernels
