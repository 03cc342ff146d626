#pragma once

#include <torch/types.h>

#include "core/state.h"
#include "curriculum/options.h"

namespace drystill::curriculum {

// A ring of the newest `capacity` samples, kept as they were given (images: uint8, a quarter of fp32's memory), on the
// device they came from. Each slot holds a weight for the draw. Samples in [0, 1] floating point are quantised on the
// way in by the caller, who knows what they are.
class ReplayBank {
 public:
  explicit ReplayBank(const ReplayOptions& options);

  std::int64_t capacity() const { return options_.capacity; }
  std::int64_t size() const { return size_; }

  // samples [N, ...] of any one dtype, always the same shape; weights [N], not negative. The oldest are overwritten.
  // Returns the slots [min(N, capacity)] int64 that the last samples of the batch took.
  torch::Tensor insert(const torch::Tensor& samples, const torch::Tensor& weights);

  struct Draw {
    torch::Tensor samples;  // [count, ...]
    torch::Tensor slots;    // [count] int64, on the CPU: for `reweigh`
  };
  // With replacement, uniform or by weight. The bank must not be empty.
  Draw draw(std::int64_t count, at::Generator generator) const;

  // New weights for slots drawn or filled before; a slot that was overwritten in between takes the value all the same.
  void reweigh(const torch::Tensor& slots, const torch::Tensor& weights);

  void save(StateWriter writer) const;
  // Throws InputError where the saved bank is larger than this one, or was full at a smaller capacity.
  void load(const StateReader& reader, torch::Device device);

 private:
  ReplayOptions options_;
  torch::Tensor samples_;  // [capacity, ...], allocated at the first insert
  torch::Tensor weights_;  // [capacity] fp64 on the CPU
  std::int64_t next_ = 0;
  std::int64_t size_ = 0;
};

}  // namespace drystill::curriculum
