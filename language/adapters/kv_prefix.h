#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <cstdint>
#include <filesystem>

#include "language/models/causal_lm.h"
#include "language/models/kv_cache.h"

namespace drystill::language {

// Trainable keys and values of every layer that stand before each text in place of a context ("cartridge",
// arXiv 2506.06266): a long context distilled into p entries. Keys are stored rotated, for positions 0 to p - 1; texts
// begin at position p. The first `frozen` entries are no parameters: an attention sink wants to stay one.
//
//   const auto before = prefix.key_values();
//   model.hidden(batch, {.prefix = &before});      // training
//   prefix.fill(cache);                            // generation: then decode with the cache
class KvPrefix : public torch::nn::Module {
 public:
  // The keys and values that `ids` (int64 [p]) have in `model`: before training, the prefix equals the text in context.
  static std::shared_ptr<KvPrefix> from_text(const CausalLm& model, const torch::Tensor& ids, std::int64_t frozen = 1);

  // [layers, kv_heads, p, head_dim] each, float32, taken over. InputError where they do not fit each other.
  KvPrefix(const torch::Tensor& keys, const torch::Tensor& values, std::int64_t frozen, const RopeOptions& rope);

  PrefixKeyValues key_values() const;  // differentiable
  void fill(KvCache& cache) const;     // appends to all rows of an empty cache

  std::int64_t length() const;  // p
  std::int64_t frozen() const { return frozen_count_; }

  // `layers.<i>.key` and `.value`, [kv_heads, p, head_dim], and what the prefix is for in the metadata. There is no
  // published format; the paper's code pickles.
  void save(const std::filesystem::path& path) const;
  // InputError where the file is of another shape of model, or its keys were rotated otherwise.
  static std::shared_ptr<KvPrefix> load(const std::filesystem::path& path, const TransformerOptions& model);

 private:
  torch::Tensor all(const torch::Tensor& frozen, const torch::Tensor& trained) const;

  std::int64_t frozen_count_;
  RopeOptions rope_;
  torch::Tensor frozen_keys_, frozen_values_;  // buffers [layers, kv_heads, frozen, head_dim]
  torch::Tensor keys_, values_;                // parameters [layers, kv_heads, p - frozen, head_dim]
};

}  // namespace drystill::language
