#include "kernels/matrix_product.h"

#include <ATen/Context.h>
#include <ATen/core/List.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>
#include <string_view>

namespace drystill::kernels {
namespace {

// Below this many multiplications, setting up oneDNN's call costs more than it saves.
constexpr std::int64_t kSmallProduct = 1 << 21;

using LinearSignature = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                                   std::string_view, c10::List<std::optional<at::Scalar>>,
                                   std::optional<std::string_view>);

// LibTorch's own entry to oneDNN's product; absent from builds without oneDNN.
const std::optional<c10::TypedOperatorHandle<LinearSignature>>& onednn_linear() {
  static const auto handle = [] {
    const auto found = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
    return found ? std::optional(found->typed<LinearSignature>()) : std::nullopt;
  }();
  return handle;
}

bool is_for_onednn(const torch::Tensor& x, const torch::Tensor& weight) {
  return x.is_cpu() && weight.is_cpu() && x.scalar_type() == torch::kFloat32 &&
         weight.scalar_type() == torch::kFloat32 && weight.dim() == 2 && x.numel() > 0 &&
         x.numel() * weight.size(0) >= kSmallProduct && at::globalContext().userEnabledMkldnn() &&
         at::Context::hasMKLDNN() && onednn_linear();
}

torch::Tensor call_onednn(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias) {
  const torch::NoGradGuard no_grad;
  const auto given_bias = bias.defined() ? std::optional<at::Tensor>(bias) : std::nullopt;
  return onednn_linear()->call(x, weight, given_bias, "none", c10::List<std::optional<at::Scalar>>(), std::nullopt);
}

struct LinearFunction : torch::autograd::Function<LinearFunction> {
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor& x,
                               const torch::Tensor& weight, const std::optional<torch::Tensor>& bias) {
    context->save_for_backward({x, weight});
    context->saved_data["bias"] = bias.has_value();
    return call_onednn(x, weight, bias.value_or(torch::Tensor()));
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto &x = saved[0], &weight = saved[1];
    const auto gradient = gradients[0].reshape({-1, weight.size(0)});
    const auto rows = x.reshape({-1, weight.size(1)});
    // A graph of this pass is wanted: only LibTorch's operators can give it.
    const bool again = torch::GradMode::is_enabled();
    const auto multiply = [&](const torch::Tensor& a, const torch::Tensor& b) {
      return again ? at::mm(a, b.t()) : product_transposed(a, b);
    };
    torch::Tensor to_x, to_weight, to_bias;
    if (context->needs_input_grad(0)) to_x = multiply(gradient, weight.t()).view_as(x);
    if (context->needs_input_grad(1)) to_weight = multiply(gradient.t(), rows.t());
    if (context->saved_data["bias"].toBool() && context->needs_input_grad(2)) to_bias = gradient.sum(0);
    return {to_x, to_weight, to_bias};
  }
};

}  // namespace

torch::Tensor linear(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias) {
  if (!is_for_onednn(x, weight)) return at::linear(x, weight, bias);
  const bool differentiable = torch::GradMode::is_enabled() &&
                              (x.requires_grad() || weight.requires_grad() || (bias.defined() && bias.requires_grad()));
  if (!differentiable) return call_onednn(x, weight, bias);
  return LinearFunction::apply(x, weight, bias.defined() ? std::optional<torch::Tensor>(bias) : std::nullopt);
}

torch::Tensor product_transposed(const torch::Tensor& a, const torch::Tensor& b) {
  return is_for_onednn(a, b) ? call_onednn(a, b, {}) : at::mm(a, b.t());
}

}  // namespace drystill::kernels
