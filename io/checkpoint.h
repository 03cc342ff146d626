#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "core/state.h"

// A run's checkpoint is a folder `step_00001200/`:
//
//   state.safetensors   tensors, and values as metadata
//   manifest.json       schema version, step, and for each file its size and XXH3-128
//
// It is written beside, as `step_00001200.tmp`, made durable and renamed, so a kill at any instant leaves either the
// checkpoint or nothing under its name. A checkpoint of the same step is set aside as `step_00001200.old` until its
// successor stands; the functions below look at that one too.

namespace drystill::io {

struct Checkpoint {
  std::int64_t step = 0;
  State state;
};

// Writes a checkpoint into `folder`, which is made where it is missing, and returns its path. RunError where the disk
// is full or the folder not writable; what was there before stays.
std::filesystem::path save_checkpoint(const std::filesystem::path& folder, std::int64_t step, const State& state);

// Reads one checkpoint and compares every file with the manifest. InputError names the file that is missing or damaged.
Checkpoint load_checkpoint(const std::filesystem::path& checkpoint);

// The step that a checkpoint's name says.
std::int64_t checkpoint_step(const std::filesystem::path& checkpoint);

// The newest undamaged checkpoint of `folder`, or nothing where none was ever finished. Those that cannot be used
// (damaged, of another version, unreadable) are passed over, and `passed_over` is told why. Where no other is left, the
// newest one's InputError is thrown: a run must not begin anew over what its owner could still save.
std::optional<std::filesystem::path> latest_checkpoint(
    const std::filesystem::path& folder, const std::function<void(const std::string& why)>& passed_over = {});

// Removes all but the newest `keep` complete checkpoints (at least one stays), and what interrupted saves left behind.
// Call it only from the run that owns the folder.
void prune_checkpoints(const std::filesystem::path& folder, std::int64_t keep);

}  // namespace drystill::io
