#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>

namespace drystill::language {

// log sum exp of a row of logits, from the maxima and the sums of its blocks (kernels/logit_blocks.h) at temperature 1.
inline double log_sum_of_blocks(std::span<const float> maxima, std::span<const float> sums) {
  const auto largest = static_cast<double>(*std::max_element(maxima.begin(), maxima.end()));
  double total = 0;
  for (std::size_t block = 0; block < maxima.size(); ++block) {
    if (maxima[block] == -std::numeric_limits<float>::infinity()) continue;  // infinity from itself were NaN
    total += static_cast<double>(sums[block]) * std::exp(static_cast<double>(maxima[block]) - largest);
  }
  return largest + std::log(total);
}

}  // namespace drystill::language
