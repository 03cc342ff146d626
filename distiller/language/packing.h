#pragma once

#include <torch/types.h>

#include <span>
#include <vector>

#include "distiller/language/sequence.h"
#include "language/models/packing.h"

namespace drystill::distiller {

enum class Side { kTeacher, kStudent };

using language::PackedView;
using language::predicting_states;

// Sequences as one side sees them. The M tokens of all completions, in the order of `sequences`, are the same in both
// views unless the tokenizers differ.
PackedView pack(std::span<const Sequence> sequences, Side side, torch::Device device);
torch::Tensor completion_tokens(std::span<const Sequence> sequences, torch::Device device);  // int64 [M]

}  // namespace drystill::distiller
