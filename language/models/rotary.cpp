#include "language/models/rotary.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/where.h>

#include <numbers>

#include "kernels/transformer_layers.h"

namespace drystill::language {

torch::Tensor rotary_frequencies(const RopeOptions& options, std::int64_t head_dim) {
  const auto exponent = at::arange(0, head_dim, 2, torch::kFloat32) / static_cast<double>(head_dim);
  auto frequencies = at::pow(options.theta, exponent).reciprocal();
  switch (options.scaling) {
    case RopeScaling::kNone:
      return frequencies;
    case RopeScaling::kLinear:
      return frequencies / options.factor;
    case RopeScaling::kLlama3: {
      const auto original = static_cast<double>(options.original_max_positions);
      const double low = options.low_frequency_factor, high = options.high_frequency_factor;
      const auto wavelength = 2 * std::numbers::pi / frequencies;
      const auto share = (original / wavelength - low) / (high - low);  // 1: untouched, 0: stretched in full
      const auto blend = (1 - share) * frequencies / options.factor + share * frequencies;
      const auto stretched = at::where(wavelength > original / low, frequencies / options.factor, blend);
      return at::where(wavelength < original / high, frequencies, stretched);
    }
  }
  return frequencies;
}

Rotation rotation_of(const torch::Tensor& positions, const torch::Tensor& frequencies) {
  const auto angles = positions.to(torch::kFloat32).unsqueeze(-1).unsqueeze(-1) * frequencies;
  return {angles.cos(), angles.sin()};
}

torch::Tensor rotate(const torch::Tensor& x, const Rotation& rotation) {
  return kernels::rotate_halves(x, rotation.cosine, rotation.sine);
}

}  // namespace drystill::language
