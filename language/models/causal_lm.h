#pragma once

#include <ATen/core/Generator.h>
#include <torch/nn/module.h>
#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "language/models/decoder_layer.h"
#include "language/models/kv_cache.h"
#include "language/models/layers.h"
#include "language/models/transformer_options.h"

namespace drystill::language {

// A batch of texts of one width.
struct TokenBatch {
  torch::Tensor ids;        // int64 [N, T]
  torch::Tensor mask;       // bool [N, T], true at tokens; undefined: no padding. Right or left padding, or any other.
  torch::Tensor positions;  // int64 [N, T]; undefined: counted from the mask, behind the cache and the prefix
};

// Keys (rotated) and values that stand before every text of a batch, per layer: [1, kv_heads, p, head_dim].
struct PrefixKeyValues {
  std::vector<torch::Tensor> keys;
  std::vector<torch::Tensor> values;
};

// What a forward pass uses and gives beside the hidden states.
struct ForwardOptions {
  KvCache* cache = nullptr;                            // read and appended to: generation
  const PrefixKeyValues* prefix = nullptr;             // differentiable; not together with a cache
  std::vector<torch::Tensor>* layer_states = nullptr;  // gets layers + 1 tensors [N, T, H]: embeddings, then each layer
};

// A decoder-only transformer of any `Family`. Parameters carry the names of the published checkpoints (gpt2's under
// `transformer.`), all linear weights are [out, in].
class CausalLm : public torch::nn::Module {
 public:
  // Parameters are uninitialised: load them, or call `initialise`. ConfigError where the options do not fit together.
  explicit CausalLm(const TransformerOptions& options, const torch::TensorOptions& tensor_options = torch::kFloat32);

  // Fresh weights as the published code (`_init_weights` in transformers) draws them: normal(0, initializer_range),
  // gpt2's projections into the residual stream narrower by sqrt(2 layers); biases 0, norm weights 1.
  void initialise(at::Generator generator);

  // [N, T] -> [N, T, H] behind the final norm. InputError for ids or shapes that do not fit.
  torch::Tensor hidden(const TokenBatch& batch, const ForwardOptions& options = {}) const;
  // The same for embeddings [N, T, H] in place of ids, which `batch` may then lack.
  torch::Tensor hidden_of_embeddings(const torch::Tensor& embeddings, const TokenBatch& batch,
                                     const ForwardOptions& options = {}) const;
  // [..., H] -> logits [..., V], in the dtype of `hidden`.
  torch::Tensor head(const torch::Tensor& hidden) const;
  // Some layers alone, in the order named: the state before the first [N, T, H], unpadded, to that behind the last.
  torch::Tensor through_layers(torch::Tensor state, std::span<const std::int64_t> layers) const;
  torch::Tensor final_norm(const torch::Tensor& state) const { return norm_->forward(state); }  // what `head` expects
  torch::Tensor logits(const TokenBatch& batch, const ForwardOptions& options = {}) const {
    return head(hidden(batch, options));
  }

  const torch::Tensor& output_weight() const;  // [V, H]: the embedding's where tied
  const torch::Tensor& input_weight() const;   // [V, H]
  const TransformerOptions& options() const { return options_; }

  // The dtype of activations; as long as it is not set, that of the parameters.
  void set_compute_dtype(torch::ScalarType dtype) { compute_dtype_ = dtype; }
  torch::ScalarType compute_dtype() const;

  // Computes each layer again in the backward pass instead of keeping its inner activations.
  void set_gradient_checkpointing(bool on) { gradient_checkpointing_ = on; }
  void freeze();  // no parameter wants a gradient any more

  // All linear layers by module name, in the model's order.
  torch::OrderedDict<std::string, std::shared_ptr<Linear>> linears() const;
  std::shared_ptr<CausalLm> copy() const;             // parameters of its own, no low-rank branches
  std::shared_ptr<CausalLm> without_adapter() const;  // the same parameters, no low-rank branches

 private:
  Rotation rotation(const torch::Tensor& positions) const;

  TransformerOptions options_;
  std::shared_ptr<Embedding> embedding_;
  std::shared_ptr<Embedding> position_embedding_;  // gpt2
  std::vector<std::shared_ptr<DecoderLayer>> layers_;
  std::shared_ptr<Norm> norm_;
  std::shared_ptr<Linear> head_;  // null where tied
  torch::Tensor frequencies_;     // float32 [head_dim / 2]; no buffer: published files do not hold it
  std::optional<torch::ScalarType> compute_dtype_;
  bool gradient_checkpointing_ = false;
};

}  // namespace drystill::language
