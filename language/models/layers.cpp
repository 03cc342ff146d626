#include "language/models/layers.h"

#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/layer_norm.h>

#include "kernels/matrix_product.h"
#include "kernels/transformer_layers.h"

namespace drystill::language {
namespace {

torch::Tensor as_dtype(const torch::Tensor& parameter, torch::ScalarType dtype) {
  return parameter.defined() ? parameter.to(dtype) : parameter;
}

}  // namespace

Linear::Linear(std::int64_t in, std::int64_t out, bool bias, const torch::TensorOptions& tensor_options) {
  weight_ = register_parameter("weight", at::empty({out, in}, tensor_options));
  if (bias) bias_ = register_parameter("bias", at::empty({out}, tensor_options));
}

torch::Tensor Linear::forward(const torch::Tensor& x) const {
  const auto dtype = x.scalar_type();
  auto y = kernels::linear(x, as_dtype(weight_, dtype), as_dtype(bias_, dtype));
  if (low_rank_) {
    const auto narrow = kernels::linear(x, low_rank_->a.to(dtype));
    y = y + kernels::linear(narrow, low_rank_->b.to(dtype)) * low_rank_->scale;
  }
  return y;
}

Embedding::Embedding(std::int64_t rows, std::int64_t width, const torch::TensorOptions& tensor_options) {
  weight_ = register_parameter("weight", at::empty({rows, width}, tensor_options));
}

torch::Tensor Embedding::forward(const torch::Tensor& ids) const {
  return at::embedding(weight_, ids);
}

Norm::Norm(NormKind kind, std::int64_t width, double epsilon, const torch::TensorOptions& tensor_options)
    : kind_(kind), epsilon_(epsilon) {
  weight_ = register_parameter("weight", at::empty({width}, tensor_options));
  if (kind == NormKind::kLayer) bias_ = register_parameter("bias", at::empty({width}, tensor_options));
}

torch::Tensor Norm::forward(const torch::Tensor& x) const {
  const auto dtype = x.scalar_type();
  if (kind_ == NormKind::kLayer) {
    return at::layer_norm(x, weight_.sizes(), as_dtype(weight_, dtype), as_dtype(bias_, dtype), epsilon_);
  }
  return kernels::rms_norm(x, as_dtype(weight_, dtype), epsilon_);
}

}  // namespace drystill::language
