#pragma once

#include <array>
#include <string_view>

namespace drystill::language {

// What several models that speak as one have the mean of.
enum class MixtureMean {
  kProbabilities,     // the arithmetic mean
  kLogProbabilities,  // the geometric mean, normalised: softmax of the mean logits
};
constexpr auto enum_names(MixtureMean) {
  return std::to_array<std::string_view>({"probabilities", "log_probabilities"});
}

}  // namespace drystill::language
