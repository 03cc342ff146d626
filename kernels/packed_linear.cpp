#include "kernels/packed_linear.h"

#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>
#include <c10/util/StringUtil.h>

#include "core/error.h"
#include "kernels/cpu/packed_linear_cpu.h"

namespace drystill::kernels {
namespace {

bool has_packed_type(const torch::Tensor& tensor) {
  return tensor.scalar_type() == torch::kFloat32 || tensor.scalar_type() == torch::kBFloat16;
}

torch::Tensor checked_weight(const torch::Tensor& weight, const torch::Tensor& bias) {
  constexpr const char* kWhere = "[kernels.packed_linear]";
  if (!weight.defined() || weight.dim() != 2 || weight.numel() == 0) {
    throw InputError(c10::str(kWhere, " expected a weight [out, in] with at least one value, got ",
                              weight.defined() ? c10::str("shape ", weight.sizes()) : "an undefined tensor"));
  }
  if (!weight.is_cpu() || !has_packed_type(weight)) {
    throw InputError(c10::str(kWhere, " expected a float32 or bfloat16 weight on the CPU, got ", weight.scalar_type(),
                              " on ", weight.device()));
  }
  if (bias.defined() && (bias.dim() != 1 || bias.size(0) != weight.size(0) || !bias.is_cpu())) {
    throw InputError(c10::str(kWhere, " expected a bias of shape [", weight.size(0), "] on the CPU, got ", bias.sizes(),
                              " on ", bias.device()));
  }
  return weight.detach();
}

}  // namespace

PackedLinear::PackedLinear(const torch::Tensor& weight, const torch::Tensor& bias) {
  const c10::NoGradGuard no_gradient;
  const torch::Tensor checked = checked_weight(weight, bias);
  out_ = checked.size(0);
  in_ = checked.size(1);
  packed_ = cpu::pack_weight(checked);
  if (bias.defined()) {
    bias_ = at::constant_pad_nd(bias.detach().to(torch::kFloat32), {0, cpu::whole_panels(out_) - out_}).contiguous();
  }
}

torch::Tensor PackedLinear::forward(const torch::Tensor& x) const {
  if (!x.defined() || x.dim() < 1 || x.size(-1) != in_ || !x.is_cpu() || !has_packed_type(x)) {
    throw InputError(c10::str(
        "[kernels.packed_linear] expected x [..., ", in_, "] in float32 or bfloat16 on the CPU, got ",
        x.defined() ? c10::str(x.sizes(), " in ", x.scalar_type(), " on ", x.device()) : "an undefined tensor"));
  }
  const c10::NoGradGuard no_gradient;
  std::vector<std::int64_t> shape = x.sizes().vec();
  shape.back() = out_;
  const torch::Tensor rows = x.detach().to(torch::kFloat32).contiguous();
  torch::Tensor y = at::empty(shape, rows.options());
  forward_rows(rows.const_data_ptr<float>(), rows.numel() / in_, y.mutable_data_ptr<float>());
  return y.to(x.scalar_type());
}

void PackedLinear::forward_rows(const float* x, std::int64_t rows, float* y, bool accumulate) const {
  if (rows == 0) return;
  cpu::packed_linear({.x = x,
                      .packed = packed_,
                      .bias = bias_.defined() ? bias_.const_data_ptr<float>() : nullptr,
                      .y = y,
                      .rows = rows,
                      .in = in_,
                      .out = out_,
                      .accumulate = accumulate});
}

}  // namespace drystill::kernels
