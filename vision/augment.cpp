#include "vision/augment.h"

#include <ATen/Parallel.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/index.h>
#include <ATen/ops/lerp.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randperm.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "vision/place_bytes.h"

namespace drystill::vision {
namespace {

std::int64_t largest_shift(const Placements& placements) {
  if (placements.rows.numel() == 0) return 0;
  return std::max(placements.rows.abs().max().item<std::int64_t>(),
                  placements.columns.abs().max().item<std::int64_t>());
}

// Whole rows at a time: several times as fast as a gather, which follows an index for every value.
torch::Tensor place_on_cpu(const torch::Tensor& images, const Placements& placements) {
  const auto format = images.suggest_memory_format();
  const bool channels_last = format == torch::MemoryFormat::ChannelsLast;
  const torch::Tensor source = images.contiguous(format);
  torch::Tensor placed = at::zeros_like(source);
  const std::int64_t channels = images.size(1), value = images.element_size();
  const ImageLayout layout{.planes = channels_last ? 1 : channels,
                           .height = images.size(2),
                           .width = images.size(3),
                           .pixel = channels_last ? channels * value : value};
  const auto* from = static_cast<const std::byte*>(source.const_data_ptr());
  auto* to = static_cast<std::byte*>(placed.data_ptr());
  const torch::Tensor rows = placements.rows.contiguous(), columns = placements.columns.contiguous(),
                      mirror = placements.mirror.contiguous();
  const auto* row = rows.const_data_ptr<std::int64_t>();
  const auto* column = columns.const_data_ptr<std::int64_t>();
  const auto* mirrored = mirror.const_data_ptr<bool>();
  at::parallel_for(0, images.size(0), /*grain_size=*/8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      place_bytes(from + i * layout.bytes(), to + i * layout.bytes(), layout, row[i], column[i], mirrored[i]);
    }
  });
  return placed;
}

// y = f(x) + s  <=>  x = f(y) - s without the mirror, x = f(y) + s with it, as f(x) = W - 1 - x.
Placements adjoint(const Placements& placements) {
  return {-placements.rows, at::where(placements.mirror, placements.columns, -placements.columns), placements.mirror};
}

// The derivative of an indexed read is an indexed addition, slow on the CPU. A placement reads no pixel twice, so its
// adjoint is again a placement.
class Place : public torch::autograd::Function<Place> {
 public:
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor& images,
                               const torch::Tensor& rows, const torch::Tensor& columns, const torch::Tensor& mirror) {
    context->save_for_backward({rows, columns, mirror});
    const Placements placements{rows, columns, mirror};
    return images.is_cpu() ? place_on_cpu(images, placements) : place_by_gather(images, placements);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    return {place(gradients[0], adjoint({saved[0], saved[1], saved[2]})), {}, {}, {}};
  }
};

}  // namespace

Placements draw_placements(std::int64_t count, const AugmentOptions& options, at::Generator generator) {
  const std::int64_t border = options.crop_padding;
  const auto shifts = [&] {
    return border == 0 ? at::zeros({count}, torch::kLong)
                       : at::randint(-border, border + 1, {count}, generator, torch::kLong);
  };
  Placements placements;
  placements.rows = shifts();
  placements.columns = shifts();
  placements.mirror =
      options.flip ? at::randint(0, 2, {count}, generator, torch::kBool) : at::zeros({count}, torch::kBool);
  return placements;
}

torch::Tensor place_by_gather(const torch::Tensor& images, const Placements& placements) {
  const std::int64_t count = images.size(0), height = images.size(2), width = images.size(3);
  const std::int64_t border = largest_shift(placements);
  const torch::Tensor padded = at::constant_pad_nd(images, {border, border, border, border});
  // The indices are [N, 1, 1], [N, H, 1] and [N, 1, W]: the result has the channel last, whichever the memory format.
  const torch::Tensor rows = at::arange(height).view({1, height, 1}) + (placements.rows + border).view({count, 1, 1});
  const torch::Tensor x = at::arange(width).view({1, 1, width});
  const torch::Tensor columns = at::where(placements.mirror.view({count, 1, 1}), width - 1 - x, x) +
                                (placements.columns + border).view({count, 1, 1});
  const torch::Tensor samples = at::arange(count).view({count, 1, 1});
  const auto on_device = [&](const torch::Tensor& index) { return index.to(images.device(), /*non_blocking=*/true); };
  const torch::Tensor placed =
      at::index(padded.permute({0, 2, 3, 1}), {on_device(samples), on_device(rows), on_device(columns)});
  return placed.permute({0, 3, 1, 2}).contiguous(images.suggest_memory_format());
}

torch::Tensor place(const torch::Tensor& images, const Placements& placements) {
  TORCH_CHECK(images.dim() == 4 && images.size(0) == placements.rows.size(0),
              "[vision.place] expected images [N, C, H, W] with N = ", placements.rows.size(0), ", got ",
              images.sizes());
  return Place::apply(images, placements.rows, placements.columns, placements.mirror);
}

torch::Tensor mix(const torch::Tensor& images, double share, at::Generator generator) {
  const std::int64_t count = images.size(0);
  const torch::Tensor partner = at::randperm(count, generator, torch::TensorOptions(torch::kLong));
  const torch::Tensor chosen = at::rand({count}, generator) < share;
  const torch::Tensor own = at::where(chosen, at::rand({count}, generator), 1.0);
  const torch::Tensor weight = own.to(images.options()).view({count, 1, 1, 1});
  return at::lerp(images.index_select(0, partner.to(images.device())), images, weight);
}

torch::Tensor augment(const torch::Tensor& images, const AugmentOptions& options, at::Generator generator) {
  torch::Tensor result = images;
  if (options.crop_padding > 0 || options.flip)
    result = place(images, draw_placements(images.size(0), options, generator));
  if (options.mixup > 0) result = mix(result, options.mixup, std::move(generator));
  return result;
}

torch::Tensor to_unit(const torch::Tensor& images, torch::ScalarType dtype, torch::MemoryFormat format) {
  // Divided in float: the nearest value of every dtype, also of those with 8 bits of precision.
  return images.to(torch::kFloat, /*non_blocking=*/false, /*copy=*/true, format).div_(255).to(dtype);
}

Normaliser::Normaliser(const ImageSpec& image, torch::Device device) {
  const auto constants = [&](const std::vector<double>& values, double if_empty, const char* what) {
    const auto channels = static_cast<std::size_t>(image.channels);
    if (!values.empty() && values.size() != channels) {
      throw ConfigError("the normalisation has " + std::to_string(values.size()) + " " + what + " for " +
                        std::to_string(channels) + " channels: give one for every channel");
    }
    const auto given = values.empty() ? std::vector<double>(channels, if_empty) : values;
    return at::tensor(given, torch::kDouble).view({-1, 1, 1}).to(device);
  };
  for (const double value : image.stddev) {
    if (!(value > 0))
      throw ConfigError("the normalisation has the deviation " + std::to_string(value) + ": expected more than 0");
  }
  mean_ = constants(image.mean, 0, "means");
  deviation_ = constants(image.stddev, 1, "deviations");
}

torch::Tensor Normaliser::operator()(const torch::Tensor& images) const {
  return (images - mean_.to(images.scalar_type())) / deviation_.to(images.scalar_type());
}

torch::Tensor Normaliser::inverse(const torch::Tensor& normalised) const {
  return normalised * deviation_.to(normalised.scalar_type()) + mean_.to(normalised.scalar_type());
}

}  // namespace drystill::vision
