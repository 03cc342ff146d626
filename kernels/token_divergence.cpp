#include "kernels/token_divergence.h"

#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>
#include <c10/util/StringUtil.h>
#include <torch/csrc/autograd/custom_function.h>

#include "core/error.h"
#include "kernels/cpu/capability.h"
#include "kernels/second_order.h"
#include "kernels/token_divergence_parts.h"

namespace drystill::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr const char* kWhere = "kernels.token_divergence";

struct TokenDivergenceFunction : torch::autograd::Function<TokenDivergenceFunction> {
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& student, TokenRowsInput input,
                               const TokenDivergenceOptions& options, bool with_gradient) {
    input.student = student.contiguous();
    const auto type = compute_type(student);
    if (with_gradient) input.gradient = at::empty(student.sizes(), student.options().dtype(type));
    const TokenRows rows = token_rows(input, options);
    context->save_for_backward({input.gradient});
    context->saved_data["type"] = static_cast<std::int64_t>(student.scalar_type());
    return input.scales.defined() ? rows.loss * input.scales : rows.loss;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    refuse_second_order(kWhere);
    const auto type = static_cast<torch::ScalarType>(context->saved_data["type"].toInt());
    variable_list results(4);
    results[0] = (context->get_saved_variables()[0] * gradients[0].unsqueeze(1)).to(type);
    return results;
  }
};

void check_student(const torch::Tensor& student) {
  if (!student.defined() || student.dim() != 2 || student.numel() == 0 || !student.is_floating_point()) {
    throw InputError(
        c10::str("[", kWhere, "] expected floating student logits of shape [M, V] with at least one token ",
                 "and word, got ", student.defined() ? c10::str(student.scalar_type(), " ", student.sizes()) : "none"));
  }
}

torch::Tensor apply(const torch::Tensor& student, TokenRowsInput input, const TokenDivergenceOptions& options,
                    const torch::Tensor& row_weights) {
  if (row_weights.defined()) {
    check_row_weights(row_weights, student, kWhere);
    input.scales = row_weights.to(compute_type(student)).contiguous();
  }
  // Asked out here: inside forward() gradients are off and every tensor looks like a constant.
  const bool with_gradient = c10::GradMode::is_enabled() && student.requires_grad();
  return TokenDivergenceFunction::apply(student, std::move(input), options, with_gradient);
}

}  // namespace

TokenRows token_rows(const TokenRowsInput& input, const TokenDivergenceOptions& options) {
  const auto fast = [](const torch::Tensor& t) {
    return !t.defined() || (t.is_cpu() && cpu::has_fast_path(t.scalar_type()));
  };
  const bool all_fast = fast(input.student) && fast(input.teacher) && fast(input.gradient);
  return all_fast ? cpu::token_rows(input, options) : composed_token_rows(input, options);
}

torch::Tensor token_divergence(const torch::Tensor& student_logits, const torch::Tensor& teacher_logits,
                               const TokenDivergenceOptions& options, const torch::Tensor& row_weights) {
  check_token_options(options, kWhere);
  check_student(student_logits);
  if (!teacher_logits.defined() || !teacher_logits.is_floating_point() ||
      teacher_logits.sizes() != student_logits.sizes() || teacher_logits.device() != student_logits.device()) {
    throw InputError(c10::str(
        "[", kWhere, "] expected floating teacher logits of shape ", student_logits.sizes(), " on ",
        student_logits.device(), ", got ",
        teacher_logits.defined()
            ? c10::str(teacher_logits.scalar_type(), " ", teacher_logits.sizes(), " on ", teacher_logits.device())
            : "none"));
  }
  if (c10::GradMode::is_enabled() && teacher_logits.requires_grad()) {
    throw InputError(
        c10::str("[", kWhere, "] expected teacher logits without gradient (a constant here); detach them"));
  }
  TokenRowsInput input;
  input.teacher = teacher_logits.detach().contiguous();
  return apply(student_logits, std::move(input), options, row_weights);
}

torch::Tensor token_divergence(const torch::Tensor& student_logits, const TeacherTopK& teacher,
                               const TokenDivergenceOptions& options, const torch::Tensor& row_weights) {
  check_token_options(options, kWhere);
  check_student(student_logits);
  TokenRowsInput input;
  input.top_k =
      checked_top_k(teacher, student_logits, student_logits.size(1), compute_type(student_logits), options, kWhere);
  return apply(student_logits, std::move(input), options, row_weights);
}

}  // namespace drystill::kernels
