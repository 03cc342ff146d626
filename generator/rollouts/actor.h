#pragma once

#include <torch/types.h>

#include <span>
#include <vector>

#include "language/sampling/sampling_options.h"
#include "language/views/item.h"

namespace drystill::generator {

struct Written {
  std::vector<std::int64_t> tokens;      // the end token included, where there was one
  std::vector<float> log_probabilities;  // under the distribution sampled from
  bool finished = false;
  // Under the model itself, at temperature 1 and with nothing cut off; empty: the same.
  std::vector<float> own_log_probabilities = {};
  torch::Tensor states = {};  // [tokens, H], what the head predicted each token from; undefined unless kept
};

// A language model as prompt sources and completion policies see it: something that writes.
class Actor {
 public:
  virtual ~Actor() = default;

  // Continues every prompt. What sequence i draws depends on options.seed and i alone.
  virtual std::vector<Written> write(std::span<const std::vector<std::int64_t>> prompts,
                                     const language::SamplingOptions& options) = 0;
};

}  // namespace drystill::generator
