#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "language/models/causal_lm.h"

namespace drystill::language {

// A text in progress: the keys and values of its tokens, as pages of the engine that started it. Grows a page at a time
// and is moved, not copied; dropping it leaves the others where they are.
class Sequence {
 public:
  std::int64_t length() const { return length_; }  // tokens that later ones look back at, a prefix included
  // A second text that goes on from the same tokens: shares all whole pages, copies the last.
  Sequence fork() const;

 private:
  friend class InferenceEngine;
  std::vector<torch::Tensor> pages_;
  std::vector<void*> pointers_;  // to the data of pages_
  std::int64_t length_ = 0;
};

// New tokens of one sequence, to be appended to it.
struct TokenRun {
  Sequence* sequence;
  std::span<const std::int64_t> ids;
};

// A causal language model for inference on the CPU: weights packed once (kernels/packed_linear.h), keys and values in
// pages, and between the matrix products a few loops over bare rows. A batch is a list of runs of any lengths, so that
// there is no padding: prompts and single tokens may stand side by side. What a row computes does not depend, bit for
// bit, on the rows beside it.
//
// A copy of the model as it is now, low-rank branches merged in: make a new engine after training steps. float32 gives
// CausalLm's logits to 1e-4; bfloat16 rounds weights, keys, values and the input of each product, and keeps the
// residual stream in float32. Covers every Family.
class InferenceEngine {
 public:
  // dtype: float32 or bfloat16. Throws ConfigError for another one, and InputError where `can_run` is false.
  explicit InferenceEngine(const CausalLm& model, torch::ScalarType dtype = torch::kFloat32);
  ~InferenceEngine();
  InferenceEngine(InferenceEngine&&) noexcept;

  // Whether this machine has the instructions, and the model is on the CPU. Where not, use CausalLm with a KvCache.
  static bool can_run(const CausalLm& model);

  // An empty text, or one that stands behind a prefix of trained keys and values.
  Sequence start() const { return {}; }
  Sequence start(const PrefixKeyValues& prefix) const;

  // Appends every run to its sequence; logits of the token after each run -> [runs, V], float32. states: where given,
  // what the head made them of, [runs, H], float32: the last token's state behind the final norm.
  // Throws InputError for an empty run, two runs of one sequence, an id outside the vocabulary, or more tokens than the
  // model has positions; the sequences are then as they were. Throws Interrupted where a signal asked to stop, within a
  // long prompt too; the sequences are then of no more use.
  torch::Tensor forward(std::span<const TokenRun> runs, torch::Tensor* states = nullptr) const;

  // log p(ids[t] | ids[0 : t]) for t >= 1, float32, natural: one less than there are ids. prefix: stands before them.
  // Throws what `forward` does.
  std::vector<float> token_log_probs(std::span<const std::int64_t> ids, const PrefixKeyValues* prefix = nullptr) const;

  const TransformerOptions& options() const;
  torch::ScalarType dtype() const;
  std::int64_t weight_bytes() const;        // read by every step: all packed weights
  std::int64_t products_per_token() const;  // multiply-adds of all matrix products

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace drystill::language
