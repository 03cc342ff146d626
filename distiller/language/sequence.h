#pragma once

#include <cstdint>
#include <vector>

namespace drystill::distiller {

// One completion as both models see it. The completion is the same tokens behind both prompts, which have at least one
// token each.
struct Sequence {
  std::vector<std::int64_t> teacher_prompt;
  std::vector<std::int64_t> student_prompt;
  std::vector<std::int64_t> completion;
  std::vector<float> sampler_log_probabilities;  // of each token of the completion; empty: unknown
  std::vector<float> importance;                 // of each token; empty: 1
  double weight = 1;                             // of the whole sequence
};

}  // namespace drystill::distiller
