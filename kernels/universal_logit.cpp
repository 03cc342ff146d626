#include "kernels/universal_logit.h"

#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/sort.h>
#include <c10/util/StringUtil.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "kernels/token_divergence_parts.h"

namespace drystill::kernels {
namespace {

torch::Tensor sorted_probabilities(const torch::Tensor& logits, const torch::Tensor& row_weights,
                                   torch::ScalarType type, double temperature, std::int64_t size) {
  torch::Tensor wide = logits.to(type);
  if (row_weights.defined()) wide = wide.masked_fill(row_weights.eq(0).unsqueeze(1), 0);
  const torch::Tensor probabilities = at::softmax(wide / temperature, 1);
  const torch::Tensor sorted = std::get<0>(at::sort(probabilities, 1, /*descending=*/true));
  return at::constant_pad_nd(sorted, {0, size - logits.size(1)}, 0);
}

}  // namespace

torch::Tensor universal_logit_distance(const torch::Tensor& student_logits, const torch::Tensor& teacher_logits,
                                       double temperature, const torch::Tensor& row_weights) {
  constexpr const char* where = "kernels.universal_logit_distance";
  const auto fits = [](const torch::Tensor& t) {
    return t.defined() && t.dim() == 2 && t.numel() > 0 && t.is_floating_point();
  };
  if (!fits(student_logits) || !fits(teacher_logits) || student_logits.size(0) != teacher_logits.size(0) ||
      student_logits.device() != teacher_logits.device()) {
    const auto describe = [](const torch::Tensor& t) {
      return t.defined() ? c10::str(t.scalar_type(), " ", t.sizes(), " on ", t.device()) : std::string("none");
    };
    throw InputError(c10::str("[", where,
                              "] expected floating student and teacher logits [M, V_S] and [M, V_T] of one ",
                              "device, got ", describe(student_logits), " and ", describe(teacher_logits)));
  }
  if (!(temperature > 0) || !std::isfinite(temperature)) {
    throw ConfigError(c10::str("[", where, "] expected a finite temperature > 0, got ", temperature));
  }
  if (row_weights.defined()) check_row_weights(row_weights, student_logits, where);
  const auto type = compute_type(student_logits);
  const std::int64_t size = std::max(student_logits.size(1), teacher_logits.size(1));
  const torch::Tensor student = sorted_probabilities(student_logits, row_weights, type, temperature, size);
  const torch::Tensor teacher = sorted_probabilities(teacher_logits.detach(), row_weights, type, temperature, size);
  const torch::Tensor distance = (student - teacher).abs().sum(1);
  return row_weights.defined() ? distance * row_weights.to(type) : distance;
}

}  // namespace drystill::kernels
