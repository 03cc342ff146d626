#include "kernels/cpu/token_divergence_vec.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/cpu/vec_pair.h"

namespace drystill::kernels::cpu {
namespace {

constexpr float kLowest = -1e30f;      // stands for -inf and for padding
constexpr float kFloor = -1e4f;        // least log-probability
constexpr std::int64_t kBlock = 1024;  // values summed in float32 before float64 takes over

std::int64_t padded(std::int64_t size) {
  return (size + kPair - 1) / kPair * kPair;
}

double lanes_sum(const FloatVec& values) {
  float lanes[kLanes];
  values.store(lanes);
  double sum = 0;
  for (const float lane : lanes) sum += lane;
  return sum;
}

float lanes_maximum(const FloatVec& values) {
  float lanes[kLanes];
  values.store(lanes);
  float top = lanes[0];
  for (const float lane : lanes) top = lane > top || std::isnan(lane) ? lane : top;
  return top;
}

// Calls body(i, sums) for every vector of a padded row; `sums` are `n` float vectors, added up in float64.
template <int n, class Body>
void for_blocks(std::int64_t size, double (&totals)[n], const Body& body) {
  for (std::int64_t begin = 0; begin < size; begin += kBlock) {
    FloatVec sums[n];
    for (FloatVec& sum : sums) sum = FloatVec(0.f);
    const std::int64_t end = std::min(size, begin + kBlock);
    for (std::int64_t i = begin; i < end; i += kLanes) body(i, sums);
    for (int s = 0; s < n; ++s) totals[s] += lanes_sum(sums[s]);
  }
}

template <class Scalar>
float load_scaled(const Scalar* from, std::int64_t size, float scale, float* to) {
  const FloatVec scales(scale), lowest(kLowest);
  FloatVec top = lowest;
  const auto put = [&](const FloatVec& values, float* place) {
    const FloatVec scaled = at::vec::maximum(values * scales, lowest);  // NaN stays NaN
    scaled.store(place);
    top = at::vec::maximum(top, scaled);
  };
  std::int64_t i = 0;
  for (; i + kPair <= size; i += kPair) {
    const VecPair pair = load_pair(from + i);
    put(pair.low, to + i);
    put(pair.high, to + i + kLanes);
  }
  if (i < size) {
    float rest[kPair];
    std::fill_n(rest, kPair, kLowest);
    for (std::int64_t r = i; r < size; ++r) rest[r - i] = static_cast<float>(from[r]);
    put(FloatVec::loadu(rest), to + i);
    put(FloatVec::loadu(rest + kLanes), to + i + kLanes);
    std::fill(to + size, to + padded(size), kLowest);
  }
  return lanes_maximum(top);
}

struct VecTerms {
  FloatVec contribution, slope;
};

// c and u of kernels/token_divergence.h, for log-probabilities a, b and probabilities p, q.
template <TokenDivergenceKind kKind>
VecTerms terms(const FloatVec& a, const FloatVec& b, const FloatVec& p, const FloatVec& q, const FloatVec& beta,
               const FloatVec& rest) {
  const FloatVec zero(0.f);
  if constexpr (kKind == TokenDivergenceKind::kForwardKl) {
    return {q * (b - a), (zero - q) & (a > FloatVec(kFloor))};
  } else if constexpr (kKind == TokenDivergenceKind::kCrossEntropy) {
    return {zero - q * a, (zero - q) & (a > FloatVec(kFloor))};
  } else if constexpr (kKind == TokenDivergenceKind::kReverseKl) {
    const FloatVec contribution = p * (a - b);
    return {contribution, contribution + p};
  } else if constexpr (kKind == TokenDivergenceKind::kJensenShannon) {
    const FloatVec ratio = b - a, near = at::vec::minimum(ratio, FloatVec(80.f));
    const FloatVec log_m = (near.expm1() * beta).log1p() + (ratio - near);  // log(m / p)
    const FloatVec from_student = zero - rest * p * log_m;
    return {at::vec::fmadd(beta * q, ratio - log_m, from_student), from_student};
  } else {
    const FloatVec difference = p - q, half(0.5f);
    const FloatVec sign = ((difference > zero) & half) - ((difference < zero) & half);
    return {difference * sign, p * sign};
  }
}

struct SoftmaxRow {
  const float *centered, *weights;
  FloatVec inverse_sum, log_sum;

  SoftmaxRow(const TokenSoftmax& softmax, const float* c, const float* w)
      : centered(c), weights(w), inverse_sum(softmax.inverse_sum), log_sum(softmax.log_sum) {}

  FloatVec log_probability(std::int64_t i) const {
    return at::vec::maximum(FloatVec::loadu(centered + i) - log_sum, FloatVec(kFloor));
  }
  FloatVec probability(std::int64_t i) const { return FloatVec::loadu(weights + i) * inverse_sum; }
};

template <TokenDivergenceKind kKind>
SummedTerms sum_words(const BucketRule& rule, const SoftmaxRow& student, const SoftmaxRow& teacher, float* slopes,
                      std::int64_t size) {
  const FloatVec beta(rule.beta), rest(1 - rule.beta), clip(rule.entry_clip);
  double totals[2] = {0, 0};
  for_blocks<2>(size, totals, [&](std::int64_t i, FloatVec* sums) {
    const VecTerms term = terms<kKind>(student.log_probability(i), teacher.log_probability(i), student.probability(i),
                                       teacher.probability(i), beta, rest);
    const FloatVec slope = term.slope & (term.contribution <= clip);
    sums[0] = sums[0] + at::vec::minimum(term.contribution, clip);
    sums[1] = sums[1] + slope;
    slope.store(slopes + i);
  });
  return {totals[0], totals[1]};
}

// Shared by both types of gradient: `put(i, values)` stores a vector.
template <class Put>
void each_gradient(const float* slopes, const float* weights, float share, float scale, std::int64_t size,
                   const Put& put) {
  const FloatVec shares(-share), scales(scale);
  for (std::int64_t i = 0; i < size; i += kPair) {
    const auto value = [&](std::int64_t at) {
      const FloatVec weighted = FloatVec::loadu(weights + at) * shares;
      return scales * (slopes != nullptr ? FloatVec::loadu(slopes + at) + weighted : weighted);
    };
    put(i, VecPair{value(i), value(i + kLanes)});
  }
}

template <class Scalar>
void store_as(const float* slopes, const float* weights, float share, float scale, std::int64_t vocabulary,
              Scalar* gradient) {
  each_gradient(slopes, weights, share, scale, padded(vocabulary), [&](std::int64_t i, const VecPair& values) {
    if (i + kPair <= vocabulary) return store_pair(values, gradient + i);
    Scalar rest[kPair];
    store_pair(values, rest);
    for (std::int64_t r = i; r < vocabulary; ++r) gradient[r] = rest[r - i];
  });
}

}  // namespace

std::int64_t token_row_floats(std::int64_t vocabulary) {
  return padded(vocabulary);
}

TokenSoftmax load_softmax(const LogitRow& logits, std::int64_t vocabulary, float inverse_temperature, float* centered,
                          float* weights) {
  const float maximum =
      logits.bfloat16
          ? load_scaled(static_cast<const c10::BFloat16*>(logits.values), vocabulary, inverse_temperature, centered)
          : load_scaled(static_cast<const float*>(logits.values), vocabulary, inverse_temperature, centered);
  const FloatVec top(maximum);
  // Padding never counts, not even in a row of nothing but -inf.
  std::fill(centered + vocabulary, centered + padded(vocabulary), 4 * kLowest);
  double sum[1] = {0};
  for_blocks<1>(padded(vocabulary), sum, [&](std::int64_t i, FloatVec* sums) {
    const FloatVec shifted = FloatVec::loadu(centered + i) - top;
    const FloatVec weight = shifted.exp();
    shifted.store(centered + i);
    weight.store(weights + i);
    sums[0] = sums[0] + weight;
  });
  return {static_cast<float>(1 / sum[0]), static_cast<float>(std::log(sum[0]))};
}

SummedTerms sum_all_words(const BucketRule& rule, const TokenSoftmax& student, const float* student_centered,
                          const float* student_weights, const TokenSoftmax& teacher, float* teacher_centered,
                          const float* teacher_weights, std::int64_t vocabulary) {
  const SoftmaxRow s(student, student_centered, student_weights), t(teacher, teacher_centered, teacher_weights);
  const std::int64_t size = padded(vocabulary);
  switch (rule.kind) {
    case TokenDivergenceKind::kForwardKl:
      return sum_words<TokenDivergenceKind::kForwardKl>(rule, s, t, teacher_centered, size);
    case TokenDivergenceKind::kReverseKl:
      return sum_words<TokenDivergenceKind::kReverseKl>(rule, s, t, teacher_centered, size);
    case TokenDivergenceKind::kJensenShannon:
      return sum_words<TokenDivergenceKind::kJensenShannon>(rule, s, t, teacher_centered, size);
    case TokenDivergenceKind::kTotalVariation:
      return sum_words<TokenDivergenceKind::kTotalVariation>(rule, s, t, teacher_centered, size);
    case TokenDivergenceKind::kCrossEntropy:
      break;
  }
  return sum_words<TokenDivergenceKind::kCrossEntropy>(rule, s, t, teacher_centered, size);
}

double forward_kl(const TokenSoftmax& student, const float* student_centered, const TokenSoftmax& teacher,
                  const float* teacher_centered, const float* teacher_weights, std::int64_t vocabulary) {
  const SoftmaxRow s(student, student_centered, nullptr), t(teacher, teacher_centered, teacher_weights);
  double sum[1] = {0};
  for_blocks<1>(padded(vocabulary), sum, [&](std::int64_t i, FloatVec* sums) {
    sums[0] = at::vec::fmadd(t.probability(i), t.log_probability(i) - s.log_probability(i), sums[0]);
  });
  return sum[0];
}

std::int64_t first_maximum(const float* centered, std::int64_t vocabulary) {
  return std::find(centered, centered + vocabulary, 0.f) - centered;
}

void top_candidates(const float* centered, std::int64_t vocabulary, std::int64_t k, Candidate* candidates) {
  // A heap with the least candidate first; few words of a long row ever beat it. Of equals, a later id is less.
  const auto greater = [](const Candidate& a, const Candidate& b) {
    return a.value != b.value ? a.value > b.value : a.id < b.id;
  };
  for (std::int64_t i = 0; i < k; ++i) candidates[i] = {centered[i], static_cast<std::int32_t>(i)};
  std::make_heap(candidates, candidates + k, greater);
  const auto consider = [&](std::int64_t i) {
    if (!(centered[i] > candidates[0].value)) return;
    std::pop_heap(candidates, candidates + k, greater);
    candidates[k - 1] = {centered[i], static_cast<std::int32_t>(i)};
    std::push_heap(candidates, candidates + k, greater);
  };
  constexpr int kNone = (1 << kLanes) - 1;
  std::int64_t i = k;
  for (; i + kLanes <= vocabulary; i += kLanes) {
    if ((FloatVec::loadu(centered + i) > FloatVec(candidates[0].value)).zero_mask() == kNone) continue;
    for (std::int64_t lane = 0; lane < kLanes; ++lane) consider(i + lane);
  }
  for (; i < vocabulary; ++i) consider(i);
}

void store_gradient(const float* slopes, const float* weights, float share, float scale, std::int64_t vocabulary,
                    void* gradient, bool bfloat16) {
  if (bfloat16) return store_as(slopes, weights, share, scale, vocabulary, static_cast<c10::BFloat16*>(gradient));
  store_as(slopes, weights, share, scale, vocabulary, static_cast<float*>(gradient));
}

}  // namespace drystill::kernels::cpu
