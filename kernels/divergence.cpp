#include "kernels/divergence.h"

#include <ATen/ops/argmax.h>
#include <c10/core/GradMode.h>
#include <c10/util/StringUtil.h>
#include <torch/csrc/autograd/custom_function.h>

#include "core/error.h"
#include "kernels/cpu/capability.h"
#include "kernels/divergence_parts.h"
#include "kernels/divergence_reference.h"
#include "kernels/second_order.h"

namespace drystill::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

bool fast_path(const torch::Tensor& logits) {
  if (logits.is_cuda()) return logits.scalar_type() == torch::kFloat32 || logits.scalar_type() == torch::kBFloat16;
  return logits.is_cpu() && cpu::has_fast_path(logits.scalar_type());
}

struct DivergenceFunction : torch::autograd::Function<DivergenceFunction> {
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& student, const torch::Tensor& teacher,
                               const std::optional<torch::Tensor>& weights, const DivergenceOptions& options,
                               bool student_gradient, bool teacher_gradient) {
    const auto rows_of = student.is_cuda() ? cuda::divergence_rows : cpu::divergence_rows;
    const DivergenceRows rows = rows_of({student.contiguous(), teacher.contiguous(), weights.value_or(torch::Tensor()),
                                         student_gradient, teacher_gradient},
                                        options);
    context->save_for_backward({rows.student_gradient, rows.teacher_gradient});
    context->saved_data["type"] = static_cast<std::int64_t>(student.scalar_type());
    return rows.loss;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    refuse_second_order("kernels.divergence");
    const auto type = static_cast<torch::ScalarType>(context->saved_data["type"].toInt());
    const torch::Tensor of_loss = gradients[0].unsqueeze(1);
    variable_list results(6);
    const auto rows = context->get_saved_variables();
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (rows[i].defined()) results[i] = (rows[i] * of_loss).to(type);
    }
    return results;
  }
};

void check_logits(const torch::Tensor& student, const torch::Tensor& teacher, const char* where) {
  if (!student.defined() || !teacher.defined()) {
    throw InputError(c10::str("[", where, "] expected student and teacher logits, got an undefined tensor"));
  }
  if (student.dim() != 2 || student.sizes() != teacher.sizes()) {
    throw InputError(c10::str("[", where, "] expected student and teacher logits of one shape [N, C], got ",
                              student.sizes(), " and ", teacher.sizes()));
  }
  if (student.numel() == 0) {
    throw InputError(c10::str("[", where, "] expected at least one row and one class, got shape ", student.sizes()));
  }
  if (!student.is_floating_point() || student.scalar_type() != teacher.scalar_type()) {
    throw InputError(c10::str("[", where, "] expected student and teacher logits of one floating type, got ",
                              student.scalar_type(), " and ", teacher.scalar_type()));
  }
  if (student.device() != teacher.device()) {
    throw InputError(c10::str("[", where, "] expected student and teacher logits on one device, got ", student.device(),
                              " and ", teacher.device()));
  }
}

void check_weights(const torch::Tensor& weights, const torch::Tensor& student) {
  if (weights.dim() != 1 || weights.size(0) != student.size(0) || weights.device() != student.device()) {
    throw InputError(c10::str("[kernels.divergence] expected row_weights of shape [", student.size(0), "] on ",
                              student.device(), ", got shape ", weights.sizes(), " on ", weights.device()));
  }
  if (weights.requires_grad()) {
    throw InputError("[kernels.divergence] expected row_weights without gradient (constants here); detach them");
  }
}

}  // namespace

torch::Tensor divergence(const torch::Tensor& student_logits, const torch::Tensor& teacher_logits,
                         const DivergenceOptions& options, const torch::Tensor& row_weights) {
  check_logits(student_logits, teacher_logits, "kernels.divergence");
  if (!(options.temperature > 0)) {
    throw ConfigError(c10::str("[kernels.divergence] expected temperature > 0, got ", options.temperature));
  }
  torch::Tensor weights;
  if (row_weights.defined()) {
    check_weights(row_weights, student_logits);
    weights = row_weights.to(student_logits.scalar_type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32);
  }
  if (!fast_path(student_logits)) return divergence_reference(student_logits, teacher_logits, options, weights);

  // Asked out here: inside forward() gradients are off and every tensor looks like a constant.
  const bool recording = c10::GradMode::is_enabled();
  const auto optional_weights = weights.defined() ? std::optional(weights.contiguous()) : std::nullopt;
  return DivergenceFunction::apply(student_logits, teacher_logits, optional_weights, options,
                                   recording && student_logits.requires_grad(),
                                   recording && teacher_logits.requires_grad());
}

torch::Tensor agreement_mask(const torch::Tensor& student_logits, const torch::Tensor& teacher_logits) {
  check_logits(student_logits, teacher_logits, "kernels.agreement_mask");
  return at::argmax(student_logits.detach(), 1).eq(at::argmax(teacher_logits.detach(), 1)).to(torch::kFloat32);
}

}  // namespace drystill::kernels
