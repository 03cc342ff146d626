#pragma once

#include <torch/types.h>

#include <cstdint>
#include <span>

#include "distiller/language/options.h"
#include "distiller/language/sequence.h"

// What the losses of the M tokens of N completions are weighted by and divided by.

namespace drystill::distiller {

// Tokens of a sequence that have a loss.
std::int64_t counted(const Sequence& sequence, const LanguageLossOptions& loss);

// What the sum of weighted losses is divided by: of a whole optimizer batch, however small its micro-batches are.
double normaliser(std::span<const Sequence> sequences, const LanguageLossOptions& loss, std::int64_t longest);

// The weight of every token, without the curriculum's: [M].
torch::Tensor token_weights(std::span<const Sequence> sequences, const LanguageLossOptions& loss);

// [N] of the sequences -> [M], each value for all tokens of its sequence.
torch::Tensor spread(const torch::Tensor& values, std::span<const Sequence> sequences);

// Mean over the counted tokens of each sequence: [M] -> [N].
torch::Tensor sequence_means(const torch::Tensor& token_losses, std::span<const Sequence> sequences,
                             const LanguageLossOptions& loss);

}  // namespace drystill::distiller
