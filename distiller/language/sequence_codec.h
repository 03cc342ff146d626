#pragma once

#include <torch/types.h>

#include "distiller/language/sequence.h"

namespace drystill::distiller {

// A sequence as one row of int32, for the replay bank and for checkpoints: four lengths and flags, the sequence's
// weight, then both prompts, the completion, and the bits of what the sampler said.
std::int64_t encoded_size(std::int64_t longest);  // of a row that holds any sequence of `longest` tokens a view
torch::Tensor encode(const Sequence& sequence, std::int64_t longest);  // [encoded_size]; longer ones: InputError
Sequence decode(const torch::Tensor& row);

}  // namespace drystill::distiller
