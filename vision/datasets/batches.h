#pragma once

#include <ATen/core/Generator.h>
#include <torch/types.h>

#include <cstdint>
#include <memory>

#include "core/state.h"
#include "vision/datasets/dataset.h"

namespace drystill::vision {

// Endless full batches for training: every epoch is a new permutation, and the samples that do not fill a last batch
// wait for the next one. The generator is drawn from once an epoch, for that epoch's seed; so the state is three
// numbers, and it does not depend on how far a stream has decoded ahead.
class ShuffledBatches {
 public:
  // Throws ConfigError where the split holds less than one batch. `generator` lives on the CPU; its own state is saved
  // with the run's seed streams, not here.
  ShuffledBatches(std::shared_ptr<const ImageSource> source, std::int64_t batch, at::Generator generator);

  LabelledImages next();

  std::int64_t batches_per_epoch() const { return source_->size() / batch_; }
  std::int64_t epoch() const { return epoch_; }  // full passes behind us, 0 in the first

  void save(StateWriter writer) const;
  void load(const StateReader& reader);  // throws InputError where the saved split or batch size was another

 private:
  void open_stream();

  std::shared_ptr<const ImageSource> source_;
  std::int64_t batch_;
  at::Generator generator_;
  std::int64_t epoch_ = 0;
  std::int64_t position_ = 0;  // batches of this epoch already handed out
  std::int64_t epoch_seed_;
  std::unique_ptr<BatchStream> stream_;  // opened at the first use: a run may load() before it reads
};

// Every sample once, in the order of the files: for evaluation.
std::unique_ptr<BatchStream> in_order(const std::shared_ptr<const ImageSource>& source, std::int64_t batch);

}  // namespace drystill::vision
