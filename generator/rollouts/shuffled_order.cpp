#include "generator/rollouts/shuffled_order.h"

#include <ATen/ops/randperm.h>

#include <algorithm>

#include "core/error.h"

namespace drystill::generator {
namespace {

bool are_all_below(const torch::Tensor& order, std::int64_t size) {
  const auto* indices = order.const_data_ptr<std::int64_t>();
  return std::all_of(indices, indices + size, [size](std::int64_t index) { return index >= 0 && index < size; });
}

}  // namespace

std::size_t ShuffledOrder::next() {
  if (!order_.defined() || position_ == size_) {
    order_ = at::randperm(size_, random_, torch::TensorOptions(torch::kInt64));
    position_ = 0;
  }
  return static_cast<std::size_t>(order_.const_data_ptr<std::int64_t>()[position_++]);
}

void ShuffledOrder::save(StateWriter writer) const {
  writer.integer("position", order_.defined() ? position_ : -1);
  if (order_.defined()) writer.tensor("order", order_);
}

void ShuffledOrder::load(const StateReader& reader) {
  const std::int64_t position = reader.integer("position");
  torch::Tensor order;
  if (position >= 0) {
    order = reader.tensor("order").clone();
    if (order.numel() != size_) {
      throw InputError("the run was saved with " + std::to_string(order.numel()) +
                       " records to draw from and now has " + std::to_string(size_) +
                       "; give it the data that it began with");
    }
    if (order.scalar_type() != torch::kInt64 || position > size_ || !are_all_below(order, size_)) {
      throw InputError("the checkpoint's order of records is damaged; resume from another checkpoint");
    }
  }
  position_ = position;
  order_ = order;
}

}  // namespace drystill::generator
