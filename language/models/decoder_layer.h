#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "language/models/kv_cache.h"
#include "language/models/layers.h"
#include "language/models/rotary.h"
#include "language/models/transformer_options.h"

namespace drystill::language {

// What all tokens of one forward pass share.
struct LayerInputs {
  Rotation rotation;         // undefined tensors where positions are learned
  torch::Tensor mask;        // [N or 1, 1, T, keys], added to the scores; undefined: none
  bool causal = true;        // where there is no mask: query t sees keys 0 to t
  KvCache* cache = nullptr;  // appended to; keys are then all of its entries
  torch::Tensor prefix_key;  // [1 or N, kv_heads, p, head_dim], rotated, before the text's; undefined: none
  torch::Tensor prefix_value;
};

// Causal self-attention with grouped heads (Ainslie et al. 2023).
class Attention : public torch::nn::Module {
 public:
  Attention(const TransformerOptions& options, const torch::TensorOptions& tensor_options);
  torch::Tensor forward(const torch::Tensor& x, std::int64_t layer, const LayerInputs& inputs) const;  // [N, T, H]

 private:
  struct Projections {
    torch::Tensor query, key, value;  // [N, T, heads or kv_heads, head_dim]
  };
  Projections project(const torch::Tensor& x) const;

  TransformerOptions options_;
  std::shared_ptr<Linear> qkv_;  // gpt2's one projection for all three
  std::shared_ptr<Linear> query_, key_, value_;
  std::shared_ptr<Linear> output_;
  std::shared_ptr<Norm> query_norm_, key_norm_;
};

// SwiGLU (Shazeer 2020): down(silu(gate x) * up x); gpt2: down(gelu(up x)) with the tanh form of GELU.
class FeedForward : public torch::nn::Module {
 public:
  FeedForward(const TransformerOptions& options, const torch::TensorOptions& tensor_options);
  torch::Tensor forward(const torch::Tensor& x) const;  // [N, T, H]

 private:
  std::shared_ptr<Linear> gate_;
  std::shared_ptr<Linear> up_;
  std::shared_ptr<Linear> down_;
};

// Pre-norm residual layer: x + attention(norm x), then x + feed_forward(norm x).
class DecoderLayer : public torch::nn::Module {
 public:
  DecoderLayer(const TransformerOptions& options, std::int64_t index, const torch::TensorOptions& tensor_options);
  torch::Tensor forward(const torch::Tensor& x, const LayerInputs& inputs) const;  // [N, T, H]

  // Every tensor of this layer that may want a gradient: its parameters and the low-rank branches of its linears.
  std::vector<torch::Tensor> learnable() const;

 private:
  std::int64_t index_;
  std::shared_ptr<Norm> attention_norm_;
  std::shared_ptr<Attention> attention_;
  std::shared_ptr<Norm> feed_forward_norm_;
  std::shared_ptr<FeedForward> feed_forward_;
};

}  // namespace drystill::language
