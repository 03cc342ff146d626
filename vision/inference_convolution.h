#pragma once

#include <torch/types.h>

#include <array>
#include <cstdint>
#include <utility>

namespace drystill::vision {

class Conv2d;
class BatchNorm2d;

// A convolution ready to run where its weights need no gradient. The evaluation-mode batch norm that follows it, if
// any, is folded in:
//   weight' = weight * s, bias' = shift + (bias - running_mean) * s, s = scale / sqrt(running_var + epsilon).
// Kept until one of the tensors it comes from changes. Not thread-safe: one forward at a time through one network.
class InferenceConvolution {
 public:
  // Recomputes where the sources, or the dtype asked for, changed since the last call. `batch_norm` may be null.
  void refresh(const Conv2d& convolution, const BatchNorm2d* batch_norm, torch::ScalarType dtype);
  void clear();

  // relu(convolution(x) + residual) of the weights last refreshed; `residual` may be undefined, the ReLU off.
  // x, [N, in, H, W], has their dtype. Differentiable with respect to x and the residual.
  torch::Tensor run(const Conv2d& convolution, const torch::Tensor& x, const torch::Tensor& residual, bool relu);

 private:
  // Address and version of each source tensor: in-place updates raise the version, moves change the address.
  using Fingerprint = std::array<std::pair<const void*, std::uint32_t>, 7>;

  Fingerprint sources_{};
  torch::Tensor weight_;  // [out, in, kernel, kernel]
  torch::Tensor bias_;    // [out], undefined where there is none
  torch::Tensor packed_;  // weight_ in oneDNN's own layout, made when first needed
};

}  // namespace drystill::vision
