#pragma once

#include <string_view>

#include "curriculum/replay_bank.h"
#include "distiller/loop.h"

// What sources with a replay bank have in common, whatever their inputs are.

namespace drystill::distiller {

// How many of a batch come from the bank: none until it holds a batch.
std::int64_t replayed_count(const curriculum::ReplayOptions& options, const curriculum::ReplayBank& bank,
                            std::int64_t batch);

// Slots [fresh + replayed] int64, -1 for samples that are not in the bank; the drawn ones stand last.
torch::Tensor slots_of_batch(std::int64_t fresh, const torch::Tensor& drawn);

// Stores the fresh samples and notes their slots. Called after the draw: a batch never meets itself.
void store_fresh(curriculum::ReplayBank& bank, const torch::Tensor& samples, torch::Tensor& slots);

// With ReplayDraw::kCurriculum, gives every sample of the batch its newest weight. One weight for the whole batch tells
// the samples not apart and is not used.
void reweigh(curriculum::ReplayBank& bank, const curriculum::ReplayOptions& options, const Batch& batch,
             const StepReport& report);

// Numbers that may not have reached the journal yet, under `<kind>s`, `<kind>_name.<i>` and `<kind>_value.<i>`.
void save_metrics(StateWriter& writer, std::string_view kind, const Metrics& metrics);
Metrics load_metrics(const StateReader& reader, std::string_view kind);

}  // namespace drystill::distiller
