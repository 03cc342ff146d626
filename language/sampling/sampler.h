#pragma once

#include <torch/types.h>

#include <cstdint>
#include <span>
#include <vector>

#include "language/sampling/sampling_options.h"

namespace drystill::language {

// Which random number a row draws: a function of (seed, sequence, step) alone, so that a sequence's text depends
// neither on the batch it is sampled in nor on the order of the batch.
struct Draw {
  std::int64_t sequence;     // index of the sequence in the whole call
  std::int64_t step;         // new tokens that it has
  bool forbid_stop = false;  // stop ids have probability 0 in this draw
};

// [N] each. log_probs are natural logarithms in float32.
struct SampledTokens {
  torch::Tensor ids;            // int64
  torch::Tensor log_probs;      // under the distribution that was sampled: after temperature, top_k, top_p, min_p, bans
  torch::Tensor raw_log_probs;  // under softmax(logits), the model's own distribution
};

// Draws one token a row. One pass over the logits; the largest few are found among blocks, not by sorting.
class Sampler {
 public:
  // `stop_ids`: what Draw::forbid_stop bans. Throws ConfigError, naming the field, for options outside their limits.
  Sampler(const SamplingOptions& options, std::vector<std::int64_t> stop_ids);

  // logits: [N, V], any floating type, on the CPU; arithmetic is float32. draws: one a row. With temperature 0 the
  // lowest of the most likely ids is taken and log_probs are 0. Throws InputError for shapes that do not fit, and
  // DivergedError for a row with NaN or infinity, or with nothing left to sample.
  SampledTokens sample(const torch::Tensor& logits, std::span<const Draw> draws) const;

 private:
  SamplingOptions options_;
  std::vector<std::int64_t> stop_ids_;
};

// Uniform in (0, 1): Philox4x32-10 (Salmon et al. 2011), key `seed`, counter (sequence, step).
double uniform_draw(std::uint64_t seed, std::uint64_t sequence, std::uint64_t step);

// Throws ConfigError for the first field of `options` outside its limits.
void check_sampling_options(const SamplingOptions& options);

}  // namespace drystill::language
