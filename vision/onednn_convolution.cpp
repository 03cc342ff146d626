#include "vision/onednn_convolution.h"

#include <ATen/Context.h>
#include <ATen/core/List.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/GradMode.h>

#include <array>
#include <optional>
#include <string_view>

#include "core/device.h"
#include "vision/layers.h"

namespace drystill::vision {
namespace {

using Scalars = c10::List<std::optional<at::Scalar>>;
using PackSignature = at::Tensor(const at::Tensor&, at::IntArrayRef, at::IntArrayRef, at::IntArrayRef, std::int64_t,
                                 at::OptionalIntArrayRef);
using UnarySignature = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                                  at::IntArrayRef, at::IntArrayRef, at::IntArrayRef, std::int64_t, std::string_view,
                                  Scalars, std::optional<std::string_view>);
using BinarySignature = at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                                   const std::optional<at::Tensor>&, at::IntArrayRef, at::IntArrayRef, at::IntArrayRef,
                                   std::int64_t, std::string_view, std::optional<at::Scalar>,
                                   std::optional<std::string_view>, Scalars, std::optional<std::string_view>);

constexpr std::array<std::int64_t, 2> kDilation{1, 1};

// Looked up once; these are schemas of LibTorch's, present in every build with oneDNN.
template <class Signature>
c10::TypedOperatorHandle<Signature> find(const char* name, const char* overload = "") {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, overload).template typed<Signature>();
}

bool has_operators() {
  static const bool found = c10::Dispatcher::singleton().findSchema({"mkldnn::_convolution_pointwise", ""}) &&
                            c10::Dispatcher::singleton().findSchema({"mkldnn::_convolution_pointwise", "binary"}) &&
                            c10::Dispatcher::singleton().findSchema({"mkldnn::_reorder_convolution_weight", ""});
  return found;
}

}  // namespace

bool onednn_can_run(const torch::Tensor& x) {
  if (!x.is_cpu() || x.numel() == 0 || !at::globalContext().userEnabledMkldnn() || !at::Context::hasMKLDNN())
    return false;
  const auto dtype = x.scalar_type();
  if (dtype != torch::kFloat32 && !(dtype == torch::kBFloat16 && has_fast_bfloat16(torch::kCPU))) return false;
  return has_operators() && (x.is_contiguous() || x.is_contiguous(at::MemoryFormat::ChannelsLast));
}

torch::Tensor onednn_pack(const torch::Tensor& weight, const ConvOptions& options, at::IntArrayRef input_size) {
  static const auto pack = find<PackSignature>("mkldnn::_reorder_convolution_weight");
  const std::array<std::int64_t, 2> padding{options.padding, options.padding};
  const std::array<std::int64_t, 2> stride{options.stride, options.stride};
  return pack.call(weight.contiguous(), padding, stride, kDilation, 1, input_size);
}

torch::Tensor onednn_convolution(const torch::Tensor& x, const torch::Tensor& packed, const torch::Tensor& bias,
                                 const ConvOptions& options, const torch::Tensor& residual, bool relu) {
  static const auto unary = find<UnarySignature>("mkldnn::_convolution_pointwise");
  static const auto binary = find<BinarySignature>("mkldnn::_convolution_pointwise", "binary");
  const c10::AutoGradMode no_grad(false);
  const std::array<std::int64_t, 2> padding{options.padding, options.padding};
  const std::array<std::int64_t, 2> stride{options.stride, options.stride};
  const auto given_bias = bias.defined() ? std::optional<at::Tensor>(bias) : std::nullopt;
  const auto other = residual.defined() ? residual.contiguous(at::MemoryFormat::ChannelsLast) : residual;
  // A residual of one channel or one pixel is in both layouts at once, which oneDNN's sum refuses.
  const bool fuses_sum = other.defined() && !other.is_contiguous();
  if (fuses_sum) {
    const auto activation = relu ? std::optional<std::string_view>("relu") : std::nullopt;
    return binary.call(x, other, packed, given_bias, padding, stride, kDilation, 1, "add", std::nullopt, activation,
                       Scalars(), std::nullopt);
  }
  const bool fuses_relu = relu && !other.defined();
  auto y = unary.call(x, packed, given_bias, padding, stride, kDilation, 1, fuses_relu ? "relu" : "none", Scalars(),
                      std::nullopt);
  if (other.defined()) y.add_(other);
  return relu && !fuses_relu ? y.relu_() : y;
}

}  // namespace drystill::vision
