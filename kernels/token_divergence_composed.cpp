// token_rows by torch operators, with the gradient written out.
#include <ATen/ops/argmax.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/sort.h>
#include <ATen/ops/topk.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/token_divergence_parts.h"

namespace drystill::kernels {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

struct Terms {
  torch::Tensor contribution, slope;  // c_i and u_i of kernels/token_divergence.h
};

// a, b: log-probabilities of buckets, floored.
Terms bucket_terms(const torch::Tensor& a, const torch::Tensor& b, const TokenDivergenceOptions& options) {
  const torch::Tensor p = a.exp(), q = b.exp(), above_floor = a.gt(kLogFloor);
  switch (effective_kind(options)) {
    case TokenDivergenceKind::kForwardKl:
      return {q * (b - a), -q * above_floor};
    case TokenDivergenceKind::kReverseKl: {
      const torch::Tensor contribution = p * (a - b);
      return {contribution, contribution + p};
    }
    case TokenDivergenceKind::kJensenShannon: {
      // log(m / p) = log1p(beta expm1(log q/p)): exactly 0 where p = q. Beyond 80 the 1 does not count.
      const torch::Tensor ratio = b - a, near = ratio.clamp_max(80);
      const torch::Tensor log_m = (near.expm1() * options.beta).log1p() + (ratio - near);
      const torch::Tensor from_student = -(1 - options.beta) * p * log_m;
      return {options.beta * q * (ratio - log_m) + from_student, from_student};
    }
    case TokenDivergenceKind::kTotalVariation: {
      const torch::Tensor difference = p - q;
      return {0.5 * difference.abs(), 0.5 * p * difference.sign()};
    }
    case TokenDivergenceKind::kCrossEntropy:
      break;
  }
  return {-q * a, -q * above_floor};
}

struct Support {
  torch::Tensor ids;    // [M, K]
  torch::Tensor valid;  // [M, K] bool: the second place of a word in a union is not
};

torch::Tensor top_ids(const torch::Tensor& logits, std::int64_t k) {
  return std::get<1>(at::topk(logits, std::min(k, logits.size(1)), 1));
}

Support support_of(const torch::Tensor& student, const torch::Tensor& teacher, const TokenRowsInput& input,
                   const TokenDivergenceOptions& options) {
  if (input.top_k.ids.defined()) return {input.top_k.ids, input.top_k.log_probabilities.gt(kMinusInfinity)};
  torch::Tensor ids;
  if (options.support == TokenSupport::kUnionTopK) {
    ids = at::cat({top_ids(teacher, options.k), top_ids(student, options.k)}, 1);
    ids = std::get<0>(at::sort(ids, 1));
    torch::Tensor valid = at::ones_like(ids, torch::kBool);
    const std::int64_t last = ids.size(1) - 1;
    valid.narrow(1, 1, last).copy_(ids.narrow(1, 1, last).ne(ids.narrow(1, 0, last)));
    return {ids, valid};
  }
  ids = top_ids(options.support == TokenSupport::kTeacherTopK ? teacher : student, options.k);
  return {ids, at::ones_like(ids, torch::kBool)};
}

torch::Tensor log_inside(const torch::Tensor& log_p, const torch::Tensor& valid) {
  return at::logsumexp(at::where(valid, log_p, kMinusInfinity), 1, true);
}

torch::Tensor log_tail(const torch::Tensor& inside) {
  return (-inside.clamp_max(kTailLimit).expm1()).log();
}

struct RowTerms {
  torch::Tensor loss;       // [M], with every factor and clip
  torch::Tensor slope;      // [M, V], or [M, K] at `ids`: u_i, still to be multiplied by f / T
  torch::Tensor slope_sum;  // [M, 1]
  torch::Tensor ids;        // [M, K], undefined for the full support
  torch::Tensor share;      // [M, K] renormalised p where that is what slope_sum multiplies, else undefined
};

void sum_terms(Terms terms, const torch::Tensor& valid, const TokenDivergenceOptions& options, RowTerms& row) {
  if (options.entry_clip > 0) {
    terms.slope = terms.slope * terms.contribution.le(options.entry_clip);
    terms.contribution = terms.contribution.clamp_max(options.entry_clip);
  }
  if (valid.defined()) {
    terms.slope = at::where(valid, terms.slope, 0.);
    terms.contribution = at::where(valid, terms.contribution, 0.);
  }
  row.loss = temperature_factor(options) * terms.contribution.sum(1);
  if (options.token_clip > 0) {
    terms.slope = terms.slope * row.loss.le(options.token_clip).unsqueeze(1);
    row.loss = row.loss.clamp_max(options.token_clip);
  }
  row.slope = terms.slope;
  row.slope_sum = terms.slope.sum(1, true);
}

// log_p, log_q: [M, V] of the full softmaxes, log_q undefined for a cached teacher.
RowTerms row_terms(const torch::Tensor& log_p, const torch::Tensor& log_q, const TokenRowsInput& input,
                   const TokenDivergenceOptions& options) {
  RowTerms row;
  if (options.support == TokenSupport::kFull) {
    const torch::Tensor a = log_p.clamp_min(kLogFloor);
    sum_terms(bucket_terms(a, log_q.clamp_min(kLogFloor), options), {}, options, row);
    return row;
  }
  const Support support = support_of(log_p, log_q, input, options);
  row.ids = support.ids;
  torch::Tensor valid = support.valid;
  torch::Tensor a = log_p.gather(1, row.ids);
  torch::Tensor b = log_q.defined() ? log_q.gather(1, row.ids) : input.top_k.log_probabilities / options.temperature;
  b = b.clamp_min(kLowestLogit);
  const torch::Tensor inside_a = log_inside(a, valid), inside_b = log_inside(b, valid);
  const torch::Tensor p = a.exp();
  if (options.remainder == TokenRemainder::kRenormalise) {
    a = a - inside_a;
    b = b - inside_b;
  } else if (options.remainder == TokenRemainder::kTail) {
    a = at::cat({a, log_tail(inside_a)}, 1);
    b = at::cat({b, log_tail(inside_b)}, 1);
    valid = at::cat({valid, at::ones_like(valid.narrow(1, 0, 1))}, 1);
  }
  sum_terms(bucket_terms(a.clamp_min(kLogFloor), b.clamp_min(kLogFloor), options), valid, options, row);
  if (options.remainder == TokenRemainder::kRenormalise) {
    row.share = at::where(valid, a.exp(), 0.);
  } else if (options.remainder == TokenRemainder::kTail) {
    const std::int64_t last = row.ids.size(1);
    const torch::Tensor of_tail = at::where(inside_a.le(kTailLimit), row.slope.narrow(1, last, 1), 0.);
    row.slope = row.slope.narrow(1, 0, last) - of_tail * (p / a.narrow(1, last, 1).exp());
    row.slope = at::where(support.valid, row.slope, 0.);
    row.slope_sum = row.slope.sum(1, true);
  }
  return row;
}

torch::Tensor logit_gradient(const RowTerms& row, const torch::Tensor& log_p) {
  if (!row.ids.defined()) return row.slope - log_p.exp() * row.slope_sum;
  if (row.share.defined()) return at::zeros_like(log_p).scatter_add_(1, row.ids, row.slope - row.share * row.slope_sum);
  return (log_p.exp() * -row.slope_sum).scatter_add_(1, row.ids, row.slope);
}

torch::Tensor log_softmax_of(const torch::Tensor& logits, const torch::Tensor& skipped, torch::ScalarType type,
                             double temperature) {
  torch::Tensor wide = logits.to(type);
  if (skipped.defined()) wide = wide.masked_fill(skipped, 0);
  return at::log_softmax(wide.div(temperature).clamp_min(kLowestLogit), 1);
}

}  // namespace

TokenRows composed_token_rows(const TokenRowsInput& input, const TokenDivergenceOptions& options) {
  const torch::NoGradGuard no_grad;
  const auto type = compute_type(input.student);
  const torch::Tensor skipped = input.scales.defined() ? input.scales.eq(0).unsqueeze(1) : torch::Tensor();
  const torch::Tensor log_p = log_softmax_of(input.student, skipped, type, options.temperature);
  torch::Tensor log_q;
  if (input.teacher.defined()) log_q = log_softmax_of(input.teacher, skipped, type, options.temperature);

  const RowTerms row = row_terms(log_p, log_q, input, options);
  const auto kept = [&](const torch::Tensor& values) {
    return skipped.defined() ? values.masked_fill(skipped.squeeze(1), 0) : values;
  };
  TokenRows result{kept(row.loss), {}, {}};
  if (input.metrics) {
    if (log_q.defined()) result.kl = kept((log_q.exp() * (log_q - log_p.clamp_min(kLogFloor))).sum(1));
    const torch::Tensor teacher_choice = log_q.defined() ? log_q.argmax(1) : input.top_k.ids.select(1, 0);
    result.agreements = kept(log_p.argmax(1).eq(teacher_choice));
  }
  if (input.gradient.defined()) {
    torch::Tensor gradient = logit_gradient(row, log_p).mul_(temperature_factor(options) / options.temperature);
    if (input.scales.defined()) gradient.mul_(input.scales.unsqueeze(1)).masked_fill_(skipped, 0);
    input.gradient.copy_(gradient);
  }
  return result;
}

}  // namespace drystill::kernels
