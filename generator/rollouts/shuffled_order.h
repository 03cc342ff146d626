#pragma once

#include <ATen/core/Generator.h>
#include <torch/types.h>

#include <cstdint>

#include "core/state.h"

namespace drystill::generator {

// Every index below `size` once, in a fresh random order each time round.
class ShuffledOrder {
 public:
  // size > 0; `random` lives on the CPU.
  ShuffledOrder(std::int64_t size, at::Generator random) : size_(size), random_(std::move(random)) {}

  std::size_t next();

  void save(StateWriter writer) const;
  // Throws InputError where the saved order is of another size, and leaves this one as it was.
  void load(const StateReader& reader);

 private:
  std::int64_t size_;
  at::Generator random_;
  torch::Tensor order_;  // [size] int64; undefined before the first draw
  std::int64_t position_ = 0;
};

}  // namespace drystill::generator
