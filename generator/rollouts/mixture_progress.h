#pragma once

#include <torch/types.h>

#include <cstdint>
#include <span>
#include <vector>

#include "language/adapters/kv_prefix.h"
#include "language/models/kv_cache.h"
#include "language/models/model_mixture.h"

namespace drystill::generator {

// Prompts side by side, padded on the left, and how far a mixture of models is behind them: token by token, with a
// KvCache a model.
class MixtureProgress {
 public:
  // The mixture's models outlive this. prompts: at least one token each; new_tokens: room behind the longest. prefix:
  // stands before every prompt, in a mixture of one; null: nothing does.
  MixtureProgress(const language::ModelMixture& mixture, std::span<const std::vector<std::int64_t>> prompts,
                  std::int64_t new_tokens, const language::KvPrefix* prefix = nullptr);

  torch::Tensor next_logits();  // [N, V] float32
  // int64 [N]: what was sampled. Only `rows` go on, ascending indices of those so far.
  void append(const torch::Tensor& ids, const std::vector<std::int64_t>& rows);

 private:
  language::ModelMixture mixture_;
  language::TokenBatch batch_;
  std::vector<language::KvCache> caches_;
};

}  // namespace drystill::generator
