#include "kernels/token_divergence_reference.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/logaddexp.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/topk.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>
#include <limits>

#include "kernels/token_divergence_parts.h"

namespace drystill::kernels {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

torch::Tensor in_top_k(const torch::Tensor& logits, std::int64_t k) {
  const torch::Tensor ids = std::get<1>(at::topk(logits.detach(), std::min(k, logits.size(1)), 1));
  return at::zeros_like(logits, torch::kBool).scatter(1, ids, true);
}

torch::Tensor support_mask(const torch::Tensor& student, const torch::Tensor& teacher,
                           const TokenDivergenceOptions& options) {
  if (options.support == TokenSupport::kTeacherTopK) return in_top_k(teacher, options.k);
  if (options.support == TokenSupport::kStudentTopK) return in_top_k(student, options.k);
  return in_top_k(teacher, options.k).logical_or(in_top_k(student, options.k));
}

torch::Tensor tail(const torch::Tensor& log_p, const torch::Tensor& mask) {
  const torch::Tensor inside = at::logsumexp(at::where(mask, log_p, -kInfinity), 1, true);
  return (-inside.clamp_max(kTailLimit).expm1()).log();
}

// Contribution of every bucket.
torch::Tensor contributions(const torch::Tensor& a, const torch::Tensor& b, const TokenDivergenceOptions& options) {
  const torch::Tensor p = a.exp(), q = b.exp();
  switch (effective_kind(options)) {
    case TokenDivergenceKind::kForwardKl:
      return q * (b - a);
    case TokenDivergenceKind::kReverseKl:
      return p * (a - b);
    case TokenDivergenceKind::kJensenShannon: {
      const torch::Tensor m = at::logaddexp(a + std::log1p(-options.beta), b + std::log(options.beta));
      return options.beta * q * (b - m) + (1 - options.beta) * p * (a - m);
    }
    case TokenDivergenceKind::kTotalVariation:
      return 0.5 * (p - q).abs();
    case TokenDivergenceKind::kCrossEntropy:
      break;
  }
  return -q * a;
}

}  // namespace

torch::Tensor token_divergence_reference(const torch::Tensor& student_logits, const torch::Tensor& teacher_logits,
                                         const TokenDivergenceOptions& options, const torch::Tensor& row_weights) {
  const auto type = student_logits.scalar_type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32;
  torch::Tensor student = student_logits.to(type), teacher = teacher_logits.to(type);
  if (row_weights.defined()) {  // masked before the arithmetic: 0 * NaN would let a skipped row through
    const torch::Tensor skipped = row_weights.eq(0).unsqueeze(1);
    student = student.masked_fill(skipped, 0);
    teacher = teacher.masked_fill(skipped, 0);
  }
  student = student.div(options.temperature).clamp_min(kLowestLogit);
  teacher = teacher.div(options.temperature).clamp_min(kLowestLogit);
  torch::Tensor a = at::log_softmax(student, 1), b = at::log_softmax(teacher, 1), mask;
  if (options.support != TokenSupport::kFull) {
    mask = support_mask(student, teacher, options);
    if (options.remainder == TokenRemainder::kRenormalise) {
      a = at::log_softmax(at::where(mask, student, -kInfinity), 1);
      b = at::log_softmax(at::where(mask, teacher, -kInfinity), 1);
    } else if (options.remainder == TokenRemainder::kTail) {
      a = at::cat({a, tail(a, mask)}, 1);
      b = at::cat({b, tail(b, mask)}, 1);
      mask = at::cat({mask, at::ones_like(mask.narrow(1, 0, 1))}, 1);
    }
    // Twice: what the second `where` drops must be finite, or its gradient is 0 * inf.
    a = at::where(mask, a, 0.);
    b = at::where(mask, b, 0.);
  }
  torch::Tensor terms = contributions(a.clamp_min(kLogFloor), b.clamp_min(kLogFloor), options);
  if (options.entry_clip > 0) terms = terms.clamp_max(options.entry_clip);
  if (mask.defined()) terms = at::where(mask, terms, 0.);
  torch::Tensor loss = temperature_factor(options) * terms.sum(1);
  if (options.token_clip > 0) loss = loss.clamp_max(options.token_clip);
  return row_weights.defined() ? loss * row_weights.to(type) : loss;
}

}  // namespace drystill::kernels
