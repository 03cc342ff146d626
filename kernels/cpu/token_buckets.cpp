#include "kernels/cpu/token_buckets.h"

#include <algorithm>
#include <cmath>

#include "kernels/token_divergence_parts.h"

namespace drystill::kernels::cpu {
namespace {

struct Term {
  double contribution, slope;
};

// c and u of kernels/token_divergence.h.
Term bucket_term(const BucketRule& rule, double a, double b) {
  const double p = std::exp(a), q = std::exp(b);
  switch (rule.kind) {
    case TokenDivergenceKind::kForwardKl:
      return {q * (b - a), a > kLogFloor ? -q : 0};
    case TokenDivergenceKind::kReverseKl:
      return {p * (a - b), p * (a - b) + p};
    case TokenDivergenceKind::kJensenShannon: {
      const double ratio = b - a, near = std::min(ratio, 80.);
      const double log_m = std::log1p(rule.beta * std::expm1(near)) + (ratio - near);  // log(m / p)
      const double from_student = -(1 - rule.beta) * p * log_m;
      return {rule.beta * q * (ratio - log_m) + from_student, from_student};
    }
    case TokenDivergenceKind::kTotalVariation:
      return {0.5 * std::abs(p - q), 0.5 * p * static_cast<double>((p > q) - (p < q))};
    case TokenDivergenceKind::kCrossEntropy:
      break;
  }
  return {-q * a, a > kLogFloor ? -q : 0};
}

double log_inside(const double* log_probabilities, std::int64_t count) {
  const double top = *std::max_element(log_probabilities, log_probabilities + count);
  double sum = 0;
  for (std::int64_t i = 0; i < count; ++i) sum += std::exp(log_probabilities[i] - top);
  return top + std::log(sum);
}

}  // namespace

SummedTerms sum_buckets(const BucketRule& rule, TokenRemainder remainder, const Buckets& buckets) {
  const std::int64_t count = buckets.count;
  double *a = buckets.student, *b = buckets.teacher;
  const double inside_a = log_inside(a, count), inside_b = log_inside(b, count);
  std::int64_t with_tail = count;
  if (remainder == TokenRemainder::kRenormalise) {
    for (std::int64_t i = 0; i < count; ++i) {
      a[i] -= inside_a;
      b[i] -= inside_b;
    }
  } else if (remainder == TokenRemainder::kTail) {
    a[count] = std::log(-std::expm1(std::min(inside_a, kTailLimit)));
    b[count] = std::log(-std::expm1(std::min(inside_b, kTailLimit)));
    ++with_tail;
  }

  double loss = 0;
  for (std::int64_t i = 0; i < with_tail; ++i) {
    Term term = bucket_term(rule, std::max(a[i], kLogFloor), std::max(b[i], kLogFloor));
    buckets.shares[i] = std::exp(a[i]);
    if (term.contribution > rule.entry_clip) term = {rule.entry_clip, 0};
    loss += term.contribution;
    buckets.slopes[i] = term.slope;
  }
  if (remainder == TokenRemainder::kTail && inside_a <= kTailLimit) {
    const double of_tail = buckets.slopes[count] / buckets.shares[count];
    for (std::int64_t i = 0; i < count; ++i) buckets.slopes[i] -= of_tail * buckets.shares[i];
  }
  double slope_sum = 0;
  for (std::int64_t i = 0; i < count; ++i) slope_sum += buckets.slopes[i];
  return {loss, slope_sum};
}

}  // namespace drystill::kernels::cpu
