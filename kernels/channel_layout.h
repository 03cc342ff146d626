#pragma once

#include <torch/types.h>

namespace drystill::kernels {

// A dense tensor seen as [outer, channels, inner], row-major: NCHW is [N, C, H*W], channels-last [N*H*W, C, 1], tokens
// [T, C, 1]. Element (o, c, i) lies at (o * channels + c) * inner + i.
struct ChannelLayout {
  std::int64_t outer = 0;
  std::int64_t channels = 0;
  std::int64_t inner = 0;

  std::int64_t values_per_channel() const { return outer * inner; }
};

struct DenseInput {
  torch::Tensor tensor;  // the input itself, or a dense copy where its strides fit no layout
  ChannelLayout layout;
};

// Throws InputError, naming `where`, unless `input` is a non-empty floating [N, C, H, W] or [T, C].
void check_channel_input(const torch::Tensor& input, const char* where);

DenseInput dense_input(const torch::Tensor& input);  // [N, C, H, W] or [T, C]

}  // namespace drystill::kernels
