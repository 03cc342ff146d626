#include "vision/memory_format.h"

#include <ATen/ops/empty_like.h>

namespace drystill::vision {

void to_channels_last(torch::nn::Module& module) {
  torch::NoGradGuard no_grad;
  for (auto& parameter : module.parameters()) {
    if (parameter.dim() != 4) continue;
    // Not contiguous(ChannelsLast): that leaves a weight of one input channel, which is in both orders at once, with
    // the strides of NCHW, and a convolution takes its output's order from the strides. One NCHW stem makes every
    // residual sum of the first stage convert.
    torch::Tensor laid_out =
        at::empty_like(parameter, parameter.options().requires_grad(false), at::MemoryFormat::ChannelsLast);
    parameter.set_data(laid_out.copy_(parameter));
  }
}

}  // namespace drystill::vision
