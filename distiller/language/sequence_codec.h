#pragma once

#include <torch/types.h>

#include "distiller/language/sequence.h"

namespace drystill::distiller {

// How much a row has room for.
struct RowSize {
  std::int64_t longest = 0;            // tokens of a view, and of a completion
  std::int64_t top_k = 0;              // words of the teacher kept with every token of the completion
  bool own_log_probabilities = false;  // the author's, beside those that were sampled from
  bool two_tokenizers = false;         // the completion also in the teacher's tokens, and which tokens are compared
};

// A sequence as int32 numbers: lengths, the sequence's weight, then both prompts, the completion, the bits of what the
// sampler said, and the rest.
torch::Tensor encode(const Sequence& sequence);
// The same as one row of the replay bank, [encoded_size], filled up with zeros. Too large a sequence: InputError.
std::int64_t encoded_size(const RowSize& size);
torch::Tensor encode(const Sequence& sequence, const RowSize& size);
Sequence decode(const torch::Tensor& row);

}  // namespace drystill::distiller
