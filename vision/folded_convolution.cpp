#include "vision/folded_convolution.h"

#include <c10/core/GradMode.h>

#include "vision/layers.h"

namespace drystill::vision {
namespace {

std::pair<const void*, std::uint32_t> fingerprint(const torch::Tensor& tensor) {
  if (!tensor.defined()) return {nullptr, 0};
  return {tensor.const_data_ptr(), static_cast<std::uint32_t>(tensor._version())};
}

}  // namespace

void FoldedConvolution::refresh(const Conv2d& convolution, const BatchNorm2d& batch_norm, torch::ScalarType dtype) {
  // Training-mode batch norm moves the running statistics without raising their version; it raises the counter's.
  const Fingerprint sources{fingerprint(convolution.weight()),
                            fingerprint(convolution.bias()),
                            fingerprint(batch_norm.weight()),
                            fingerprint(batch_norm.bias()),
                            fingerprint(batch_norm.running_mean()),
                            fingerprint(batch_norm.running_var()),
                            fingerprint(batch_norm.num_batches_tracked())};
  if (weight_.defined() && sources == sources_ && weight_.scalar_type() == dtype) return;

  const c10::AutoGradMode no_grad(false);
  // In double: the product of two rounded factors would otherwise be the largest error of the folded path.
  const auto wide = [](const torch::Tensor& tensor) { return tensor.to(torch::kFloat64); };
  torch::Tensor scale = (wide(batch_norm.running_var()) + batch_norm.options().epsilon).rsqrt();
  if (batch_norm.weight().defined()) scale = scale * wide(batch_norm.weight());
  torch::Tensor shift = -wide(batch_norm.running_mean());
  if (convolution.bias().defined()) shift = shift + wide(convolution.bias());
  shift = shift * scale;
  if (batch_norm.bias().defined()) shift = shift + wide(batch_norm.bias());

  weight_ = (wide(convolution.weight()) * scale.view({-1, 1, 1, 1})).to(dtype);
  bias_ = shift.to(dtype);
  sources_ = sources;
}

void FoldedConvolution::clear() {
  weight_.reset();
  bias_.reset();
}

}  // namespace drystill::vision
