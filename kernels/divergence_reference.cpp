#include "kernels/divergence_reference.h"

#include <ATen/ops/log_softmax.h>
#include <ATen/ops/where.h>

namespace drystill::kernels {
namespace {

// sum_c p (log p - log q), both in log space -> [N]
torch::Tensor kl(const torch::Tensor& log_p, const torch::Tensor& log_q) {
  return (log_p.exp() * (log_p - log_q)).sum(1);
}

torch::Tensor clamped_jensen_shannon(const torch::Tensor& log_p, const torch::Tensor& log_q) {
  const auto clamp = [](const torch::Tensor& t) { return t.clamp(0.01, 0.99); };
  const torch::Tensor middle = 0.5 * (log_p.exp() + log_q.exp());
  const torch::Tensor p = clamp(log_p.exp()), q = clamp(log_q.exp()), m = clamp(middle);
  return 0.5 * (m * (m.log() - p.log())).sum(1) + 0.5 * (m * (m.log() - q.log())).sum(1);
}

torch::Tensor unweighted(const torch::Tensor& student, const torch::Tensor& teacher, const DivergenceOptions& options) {
  if (options.kind == DivergenceKind::kL1) return (student - teacher).abs().mean(1);
  if (options.kind == DivergenceKind::kMse) return (student - teacher).square().mean(1);

  const double temperature = options.temperature;
  const double factor = options.scale_by_temperature_squared ? temperature * temperature : 1;
  const torch::Tensor log_p = at::log_softmax(student / temperature, 1);
  const torch::Tensor log_q = at::log_softmax(teacher / temperature, 1);
  if (options.kind == DivergenceKind::kForwardKl) return factor * kl(log_q, log_p);
  if (options.kind == DivergenceKind::kReverseKl) return factor * kl(log_p, log_q);
  return clamped_jensen_shannon(log_p, log_q);
}

}  // namespace

torch::Tensor divergence_reference(const torch::Tensor& student_logits, const torch::Tensor& teacher_logits,
                                   const DivergenceOptions& options, const torch::Tensor& row_weights) {
  const auto type = student_logits.scalar_type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32;
  torch::Tensor student = student_logits.to(type), teacher = teacher_logits.to(type);
  if (!row_weights.defined()) return unweighted(student, teacher, options);

  // Masked before the arithmetic: 0 * NaN would let a skipped row through.
  const torch::Tensor skipped = row_weights.eq(0).unsqueeze(1);
  student = student.masked_fill(skipped, 0);
  teacher = teacher.masked_fill(skipped, 0);
  return unweighted(student, teacher, options) * row_weights.to(type);
}

}  // namespace drystill::kernels
