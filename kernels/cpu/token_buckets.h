#pragma once

#include <cstdint>

#include "kernels/cpu/token_divergence_vec.h"

namespace drystill::kernels::cpu {

// The words of a support and what is known of them; in `double`, since there are few.
struct Buckets {
  std::int64_t count;  // <= room for count + 1 in each array
  double* student;     // log-probabilities a
  double* teacher;     // log-probabilities b
  double* slopes;      // written: u, after the chain rule through the tail
  double* shares;      // written: what slope_sum multiplies at each word
};

// Sum of contributions, and slopes, of the buckets that `remainder` makes of the words. Changes student and teacher.
SummedTerms sum_buckets(const BucketRule& rule, TokenRemainder remainder, const Buckets& buckets);

}  // namespace drystill::kernels::cpu
