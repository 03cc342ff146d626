#include "vision/datasets/batches.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randperm.h>

#include <limits>
#include <utility>

#include "core/error.h"

namespace drystill::vision {
namespace {

std::int64_t draw_seed(const at::Generator& generator) {
  return at::randint(std::numeric_limits<std::int64_t>::max(), {1}, generator, torch::kLong).item<std::int64_t>();
}

void check_saved(const StateReader& reader, const char* name, std::int64_t expected) {
  const std::int64_t saved = reader.integer(name);
  if (saved != expected) {
    throw InputError("the saved run read its training data with " + std::string(name) + " " + std::to_string(saved) +
                     ", this one has " + std::to_string(expected) +
                     ": resume with the data and batch size it began with");
  }
}

}  // namespace

ShuffledBatches::ShuffledBatches(std::shared_ptr<const ImageSource> source, std::int64_t batch, at::Generator generator)
    : source_(std::move(source)), batch_(batch), generator_(std::move(generator)) {
  if (batch_ < 1 || batch_ > source_->size()) {
    throw ConfigError("a batch of " + std::to_string(batch_) + " cannot be drawn from a training split of " +
                      std::to_string(source_->size()) + " images: choose a batch size from 1 to that number");
  }
  epoch_seed_ = draw_seed(generator_);
}

LabelledImages ShuffledBatches::next() {
  if (position_ == batches_per_epoch()) {
    ++epoch_;
    position_ = 0;
    epoch_seed_ = draw_seed(generator_);
    stream_.reset();
  }
  if (!stream_) open_stream();
  LabelledImages batch = stream_->next().value();
  ++position_;
  return batch;
}

void ShuffledBatches::open_stream() {
  at::Generator permutation = at::detail::createCPUGenerator(static_cast<std::uint64_t>(epoch_seed_));
  const torch::Tensor order = at::randperm(source_->size(), permutation, torch::kLong);
  stream_ = source_->stream(order.slice(0, position_ * batch_, batches_per_epoch() * batch_), batch_);
}

void ShuffledBatches::save(StateWriter writer) const {
  writer.integer("size", source_->size());
  writer.integer("batch", batch_);
  writer.integer("epoch", epoch_);
  writer.integer("position", position_);
  writer.integer("epoch_seed", epoch_seed_);
}

void ShuffledBatches::load(const StateReader& reader) {
  check_saved(reader, "size", source_->size());
  check_saved(reader, "batch", batch_);
  const std::int64_t position = reader.integer("position");
  if (position < 0 || position > batches_per_epoch()) {
    throw InputError("the saved position " + std::to_string(position) + " lies outside an epoch of " +
                     std::to_string(batches_per_epoch()) + " batches: the saved state is damaged");
  }
  epoch_ = reader.integer("epoch");
  position_ = position;
  epoch_seed_ = reader.integer("epoch_seed");
  stream_.reset();
}

std::unique_ptr<BatchStream> in_order(const std::shared_ptr<const ImageSource>& source, std::int64_t batch) {
  return source->stream(at::arange(source->size(), torch::kLong), batch);
}

}  // namespace drystill::vision
