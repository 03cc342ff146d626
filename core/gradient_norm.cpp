#include "core/gradient_norm.h"

#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/stack.h>

namespace drystill {

void clip_gradient_norm(const std::vector<torch::Tensor>& gradients, double limit) {
  if (limit == 0) return;
  std::vector<torch::Tensor> defined;
  for (const torch::Tensor& gradient : gradients) {
    if (gradient.defined()) defined.push_back(gradient);
  }
  if (defined.empty()) return;
  const torch::Tensor norm = at::stack(at::_foreach_norm(defined, 2)).norm();
  const double factor = limit / (norm.item<double>() + 1e-6);
  if (factor < 1) at::_foreach_mul_(defined, factor);
}

}  // namespace drystill
