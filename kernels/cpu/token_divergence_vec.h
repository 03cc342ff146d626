#pragma once

#include <cstdint>

#include "kernels/options.h"

// Inner loops of the token divergence on single rows; token_divergence_vec.cpp is compiled for AVX2 + FMA, see
// kernels/cpu/batch_statistics_vec.h for what that implies. Rows of floats are padded to token_row_floats(vocabulary).
namespace drystill::kernels::cpu {

struct LogitRow {
  const void* values;
  bool bfloat16;  // else float
};

struct TokenSoftmax {
  float inverse_sum;  // probability = weight * inverse_sum
  float log_sum;      // log-probability = centered - log_sum
};

// What of the options a bucket needs.
struct BucketRule {
  TokenDivergenceKind kind;
  float beta;
  float entry_clip;  // infinity for none
};

struct SummedTerms {
  double loss;       // sum of contributions
  double slope_sum;  // sum of u
};

struct Candidate {
  float value;
  std::int32_t id;
};

std::int64_t token_row_floats(std::int64_t vocabulary);

// centered = logit * inverse_temperature - maximum (never below about -1e30), weights = exp of that.
TokenSoftmax load_softmax(const LogitRow& logits, std::int64_t vocabulary, float inverse_temperature, float* centered,
                          float* weights);

// All words as buckets. Reads both rows; leaves u in `teacher_centered`.
SummedTerms sum_all_words(const BucketRule& rule, const TokenSoftmax& student, const float* student_centered,
                          const float* student_weights, const TokenSoftmax& teacher, float* teacher_centered,
                          const float* teacher_weights, std::int64_t vocabulary);

// KL(teacher || student) over all words.
double forward_kl(const TokenSoftmax& student, const float* student_centered, const TokenSoftmax& teacher,
                  const float* teacher_centered, const float* teacher_weights, std::int64_t vocabulary);

// First word with centered logit 0, that is, the likeliest.
std::int64_t first_maximum(const float* centered, std::int64_t vocabulary);

// The k <= vocabulary words with the largest logits into `candidates`, unordered; of equal ones the first.
void top_candidates(const float* centered, std::int64_t vocabulary, std::int64_t k, Candidate* candidates);

// gradient[j] = scale * (slopes[j] - share * weights[j]); slopes null: 0.
void store_gradient(const float* slopes, const float* weights, float share, float scale, std::int64_t vocabulary,
                    void* gradient, bool bfloat16);

}  // namespace drystill::kernels::cpu
