#include "kernels/channel_layout.h"

#include <c10/util/StringUtil.h>

#include "core/error.h"

namespace drystill::kernels {

void check_channel_input(const torch::Tensor& input, const char* where) {
  if (!input.defined()) throw InputError(c10::str("[", where, "] expected a tensor, got an undefined one"));
  if (input.dim() != 4 && input.dim() != 2) {
    throw InputError(c10::str("[", where, "] expected input [N, C, H, W] or [T, C], got shape ", input.sizes()));
  }
  if (!input.is_floating_point()) {
    throw InputError(c10::str("[", where, "] expected a floating-point input, got ", input.scalar_type()));
  }
  if (input.numel() == 0) {
    throw InputError(c10::str("[", where, "] expected at least one value per channel, got shape ", input.sizes()));
  }
}

DenseInput dense_input(const torch::Tensor& input) {
  const std::int64_t channels = input.size(1);
  const std::int64_t per_channel = input.numel() / channels;
  if (input.dim() == 2) {
    // A single channel is one run of values: as [1, 1, T] it vectorises, as [T, 1, 1] it would not.
    return {input.contiguous(),
            channels == 1 ? ChannelLayout{1, 1, per_channel} : ChannelLayout{per_channel, channels, 1}};
  }

  const std::int64_t pixels = input.size(2) * input.size(3);
  if (input.is_contiguous()) return {input, {input.size(0), channels, pixels}};
  if (input.is_contiguous(at::MemoryFormat::ChannelsLast)) return {input, {per_channel, channels, 1}};
  return {input.contiguous(), {input.size(0), channels, pixels}};
}

}  // namespace drystill::kernels
