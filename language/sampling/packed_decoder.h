#pragma once

#include <torch/types.h>

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/packed_linear.h"
#include "kernels/paged_attention.h"
#include "language/models/causal_lm.h"

namespace drystill::language {

// Weight and bias of a norm, float32; no bias for RMSNorm.
struct NormWeights {
  torch::Tensor weight, bias;
};

// One layer, its products side by side where they share an input.
struct PackedLayer {
  NormWeights attention_norm;
  kernels::PackedLinear query_key_value;
  torch::Tensor query_norm, key_norm;  // [head_dim], undefined where there is none
  kernels::PackedLinear attention_output;
  NormWeights feed_forward_norm;
  kernels::PackedLinear up;  // gate and up side by side; gpt2: up
  kernels::PackedLinear down;
};

// One token on its way through the layers.
struct TokenRow {
  std::int64_t id;
  std::int64_t position;
  void* const* pages;  // of its sequence, with room for it
};

// The arithmetic of InferenceEngine.
class PackedDecoder {
 public:
  PackedDecoder(const CausalLm& model, torch::ScalarType dtype);

  // Writes the keys and values of all rows to their pages and returns the states behind the last layer -> [rows, H].
  // Rows of one sequence stand in the order of their positions.
  torch::Tensor states(std::span<const TokenRow> rows) const;
  // The final norm of states [rows, H], and logits [rows, V] of what it gives; float32.
  torch::Tensor normalised(const torch::Tensor& states) const;
  torch::Tensor logits(const torch::Tensor& normalised) const;

  const TransformerOptions& options() const { return options_; }
  const kernels::PageLayout& layout() const { return layout_; }
  std::int64_t weight_bytes() const;
  std::int64_t products_per_token() const;

 private:
  void embed(std::span<const TokenRow> rows, float* x) const;
  void attend(std::int64_t layer, std::span<const TokenRow> rows, const Rotation& rotation, float* query_key_value,
              float* attended) const;
  void normalise(const NormWeights& norm, const float* x, std::int64_t rows, float* y) const;

  TransformerOptions options_;
  kernels::PageLayout layout_;
  torch::Tensor embedding_;           // [V, H] of the engine's dtype
  torch::Tensor position_embedding_;  // gpt2, [max_positions, H], float32
  std::vector<PackedLayer> layers_;
  NormWeights norm_;
  kernels::PackedLinear head_;
  torch::Tensor frequencies_;  // rotary, float32 [head_dim / 2]
};

}  // namespace drystill::language
