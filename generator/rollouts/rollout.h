#pragma once

#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "language/views/item.h"

namespace drystill::generator {

// A prompt and what was written after it. The completion is the same tokens in both views.
struct Rollout {
  language::Item item;
  std::vector<std::int64_t> completion;
  std::vector<float> log_probabilities;      // natural, of each token under its author; token mixture: the student
  std::vector<float> own_log_probabilities;  // the same at temperature 1 and with nothing cut off; empty: equal
  std::vector<float> importance;             // token mixture: p_student / p_mixture of each token; empty: 1
  std::int64_t greedy_tokens = 0;            // so many of its first tokens were taken greedily
  double temperature = 1;                    // that the others were drawn at
  bool by_student = false;
  bool finished = false;         // ended by an end token, a stop string or a loop, not by length
  std::int64_t group = 0;        // rollouts of one prompt share it, within one draw
  std::optional<double> reward;  // 1 accepted, 0 rejected by the verifier; nothing without one
  std::string reason;            // why, in the verifier's words
  double weight = 1;             // of its loss
  torch::Tensor states;  // [completion, H], what its author's head predicted each token from; undefined: unknown
};

}  // namespace drystill::generator
