#pragma once

#include <torch/types.h>

#include "distiller/language/sequence.h"

namespace drystill::distiller {

// How much a row has room for.
struct RowSize {
  std::int64_t longest = 0;     // tokens of a view, and of a completion
  std::int64_t top_k = 0;       // words of the teacher kept with every token of the completion
  bool two_tokenizers = false;  // the completion also in the teacher's tokens, and which tokens are compared
};

// A sequence as one row of int32, for the replay bank and for checkpoints: lengths and flags, the sequence's weight,
// then both prompts, the completion, the bits of what the sampler said, and what `size` has room for beyond.
std::int64_t encoded_size(const RowSize& size);
torch::Tensor encode(const Sequence& sequence,
                     const RowSize& size);  // [encoded_size]; too large a sequence: InputError
Sequence decode(const torch::Tensor& row);

}  // namespace drystill::distiller
