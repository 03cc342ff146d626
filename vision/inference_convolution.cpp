#include "vision/inference_convolution.h"

#include <c10/core/GradMode.h>

#include "vision/layers.h"
#include "vision/onednn_convolution.h"

namespace drystill::vision {
namespace {

std::pair<const void*, std::uint32_t> fingerprint(const torch::Tensor& tensor) {
  if (!tensor.defined()) return {nullptr, 0};
  return {tensor.const_data_ptr(), static_cast<std::uint32_t>(tensor._version())};
}

// In double: the product of two rounded factors would otherwise be the largest error of the folded path.
torch::Tensor wide(const torch::Tensor& tensor) {
  return tensor.to(torch::kFloat64);
}

}  // namespace

void InferenceConvolution::refresh(const Conv2d& convolution, const BatchNorm2d* batch_norm, torch::ScalarType dtype) {
  Fingerprint sources{fingerprint(convolution.weight()), fingerprint(convolution.bias())};
  if (batch_norm != nullptr) {
    sources[2] = fingerprint(batch_norm->weight());
    sources[3] = fingerprint(batch_norm->bias());
    sources[4] = fingerprint(batch_norm->running_mean());
    sources[5] = fingerprint(batch_norm->running_var());
    // Training-mode batch norm moves the running statistics without raising their version; it raises the counter's.
    sources[6] = fingerprint(batch_norm->num_batches_tracked());
  }
  if (weight_.defined() && sources == sources_ && weight_.scalar_type() == dtype) return;

  const c10::AutoGradMode no_grad(false);
  packed_.reset();
  sources_ = sources;
  if (batch_norm == nullptr) {
    weight_ = convolution.weight().detach().to(dtype);
    bias_ = convolution.bias().defined() ? convolution.bias().detach().to(dtype) : torch::Tensor();
    return;
  }
  torch::Tensor scale = (wide(batch_norm->running_var()) + batch_norm->options().epsilon).rsqrt();
  if (batch_norm->weight().defined()) scale = scale * wide(batch_norm->weight());
  torch::Tensor shift = -wide(batch_norm->running_mean());
  if (convolution.bias().defined()) shift = shift + wide(convolution.bias());
  shift = shift * scale;
  if (batch_norm->bias().defined()) shift = shift + wide(batch_norm->bias());
  weight_ = (wide(convolution.weight()) * scale.view({-1, 1, 1, 1})).to(dtype);
  bias_ = shift.to(dtype);
}

void InferenceConvolution::clear() {
  weight_.reset();
  bias_.reset();
  packed_.reset();
}

torch::Tensor InferenceConvolution::run(const Conv2d& convolution, const torch::Tensor& x,
                                        const torch::Tensor& residual, bool relu) {
  const auto& options = convolution.options();
  const bool differentiable =
      c10::GradMode::is_enabled() && (x.requires_grad() || (residual.defined() && residual.requires_grad()));
  if (!differentiable && onednn_can_run(x)) {
    if (!packed_.defined()) packed_ = onednn_pack(weight_, options, x.sizes());
    return onednn_convolution(x, packed_, bias_, options, residual, relu);
  }
  auto y = at::conv2d(x, weight_, bias_, {options.stride, options.stride}, {options.padding, options.padding});
  // In place: a convolution does not need its own output for its backward pass.
  if (residual.defined()) y.add_(residual);
  return relu ? y.relu_() : y;
}

}  // namespace drystill::vision
