#pragma once

#include <torch/types.h>

#include <cstdint>

#include "language/sampling/writable_ids.h"

namespace drystill::generator {

// A categorical policy over the words that may be written: softmax(hidden weight^T / temperature), and one word that it
// drew of each row.
struct PolicyTokens {
  torch::Tensor hidden;    // [M, H]
  torch::Tensor weight;    // [V, H]
  torch::Tensor tokens;    // int64 [M]
  double temperature = 1;  // > 0
  language::WritableIds writable = {};
};

struct PolicyGradient {
  torch::Tensor log_probabilities;  // [M] log pi(token), float32
  torch::Tensor entropies;          // [M] H = -sum_v pi_v log pi_v, nats
  torch::Tensor hidden_gradient;    // [M, H] of the loss below, in the type of `hidden`
};

// The gradient of
//   loss = -sum_m (advantages_m log pi_m(token_m) + entropy_weights_m H_m)
// with respect to the hidden states (Williams 1992, REINFORCE). With logits z:
//   d(-log pi_y)/dz_v = (pi_v - [v = y]) / T        d(-H)/dz_v = pi_v (log pi_v + H) / T
// No [M, V] tensor is kept: chunk_rows rows have logits at once; 0: as many as 64 MiB hold. Arithmetic is float32.
PolicyGradient policy_gradient(const PolicyTokens& policy, const torch::Tensor& advantages,
                               const torch::Tensor& entropy_weights, std::int64_t chunk_rows = 0);

}  // namespace drystill::generator
