#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "language/views/item.h"

namespace drystill::generator {

// A prompt and what was written after it. The completion is the same tokens in both views.
struct Rollout {
  language::Item item;
  std::vector<std::int64_t> completion;
  std::vector<float> log_probabilities;  // natural, of each token under its author; token mixture: the student
  std::vector<float> importance;         // token mixture: p_student / p_mixture of each token; empty: 1
  bool by_student = false;
  bool finished = false;         // ended by an end token, not by length
  std::int64_t group = 0;        // rollouts of one prompt share it, within one draw
  std::optional<double> reward;  // a verifier's word
  double weight = 1;             // of its loss
};

}  // namespace drystill::generator
