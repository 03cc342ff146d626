#pragma once

#include <torch/types.h>

#include <cstdint>

#include "language/models/transformer_options.h"

namespace drystill::language {

// Angles a position turns each pair of a head's entries by: theta^(-2j / head_dim), j < head_dim / 2, then scaled.
torch::Tensor rotary_frequencies(const RopeOptions& options, std::int64_t head_dim);  // float32 [head_dim / 2]

// Cosines and sines of positions times frequencies, float32, [..., 1, head_dim / 2]: the 1 stands for the heads.
struct Rotation {
  torch::Tensor cosine;
  torch::Tensor sine;
};
Rotation rotation_of(const torch::Tensor& positions, const torch::Tensor& frequencies);  // positions int64 [...]

// Turns x [N, T, heads, head_dim] by a rotation of [N or 1, T, 1, head_dim / 2]. Entry j pairs with entry
// j + head_dim / 2, as in the published Llama code of Hugging Face; Meta's and GGUF files pair neighbours.
torch::Tensor rotate(const torch::Tensor& x, const Rotation& rotation);

}  // namespace drystill::language
