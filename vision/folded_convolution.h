#pragma once

#include <torch/types.h>

#include <array>
#include <cstdint>
#include <utility>

namespace drystill::vision {

class Conv2d;
class BatchNorm2d;

// A convolution's weights with the evaluation-mode batch norm that follows it folded in,
//   weight' = weight * s, bias' = shift + (bias - running_mean) * s, s = scale / sqrt(running_var + epsilon),
// kept until one of the tensors they come from changes. Not thread-safe: one forward at a time through one network.
class FoldedConvolution {
 public:
  // Recomputes where the sources, or the dtype asked for, changed since the last call.
  void refresh(const Conv2d& convolution, const BatchNorm2d& batch_norm, torch::ScalarType dtype);
  void clear();

  const torch::Tensor& weight() const { return weight_; }  // [out, in, kernel, kernel], of the dtype asked for
  const torch::Tensor& bias() const { return bias_; }      // [out]

 private:
  // Address and version of each source tensor: in-place updates raise the version, moves change the address.
  using Fingerprint = std::array<std::pair<const void*, std::uint32_t>, 7>;

  Fingerprint sources_{};
  torch::Tensor weight_;
  torch::Tensor bias_;
};

}  // namespace drystill::vision
