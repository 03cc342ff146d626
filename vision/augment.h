#pragma once

#include <ATen/core/Generator.h>
#include <torch/types.h>

#include <cstdint>

#include "vision/augment_options.h"
#include "vision/options.h"

namespace drystill::vision {

// One placement a sample: output pixel (y, x) is input pixel (y + rows, f(x) + columns), where f mirrors x when
// `mirror` is true; outside the input lies zero.
struct Placements {
  torch::Tensor rows;     // [N] int64, -p .. p, on the CPU
  torch::Tensor columns;  // [N] int64, -p .. p, on the CPU
  torch::Tensor mirror;   // [N] bool, on the CPU
};

// Draws from a CPU generator, whatever the device of the images: a run augments alike on every device.
Placements draw_placements(std::int64_t count, const AugmentOptions& options, at::Generator generator);

// images: [N, C, H, W], any dtype, device and memory format (which is kept). Differentiable in the images, to any
// order: the adjoint of a placement is a placement.
torch::Tensor place(const torch::Tensor& images, const Placements& placements);

// The same in composed operators, on any device and not differentiable: what place() does off the CPU, and its oracle.
torch::Tensor place_by_gather(const torch::Tensor& images, const Placements& placements);

// Blends a share of the images, each with another of the batch: u x_i + (1 - u) x_j, u uniform in [0, 1), j from a
// random permutation (mixup, Zhang et al. 2018; with uniform u and the teacher's answer to the blend as target, as
// Beyer et al., CVPR 2022, found best for distillation). images: floating point. Draws from a CPU generator.
torch::Tensor mix(const torch::Tensor& images, double share, at::Generator generator);

// place() with freshly drawn placements: random crop with zero padding and horizontal flip, per sample
// (torchvision's RandomCrop(H, padding) and RandomHorizontalFlip, applied per sample); then mix(). What the options do
// not ask for is not drawn.
torch::Tensor augment(const torch::Tensor& images, const AugmentOptions& options, at::Generator generator);

// [N, C, H, W] uint8 0..255 -> `dtype` 0..1, in the given memory format.
torch::Tensor to_unit(const torch::Tensor& images, torch::ScalarType dtype = torch::kFloat,
                      torch::MemoryFormat format = torch::MemoryFormat::Contiguous);

// (image - mean) / deviation per channel; differentiable in the images. Holds its constants on the device of use.
class Normaliser {
 public:
  // Of the image's mean and stddev, one of each a channel; what was left empty changes nothing. Throws ConfigError
  // where there are more or fewer than channels, or a deviation is not positive.
  explicit Normaliser(const ImageSpec& image, torch::Device device = torch::kCPU);

  // [N, C, H, W] 0..1 -> the same shape and dtype.
  torch::Tensor operator()(const torch::Tensor& images) const;

  // image * deviation + mean: back to the unit range.
  torch::Tensor inverse(const torch::Tensor& normalised) const;

 private:
  torch::Tensor mean_;       // [C, 1, 1] float64: rounded once, to the dtype of the images
  torch::Tensor deviation_;  // [C, 1, 1] float64
};

}  // namespace drystill::vision
