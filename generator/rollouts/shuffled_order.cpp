#include "generator/rollouts/shuffled_order.h"

#include <ATen/ops/randperm.h>

namespace drystill::generator {

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
  position_ = reader.integer("position");
  order_ = position_ < 0 ? torch::Tensor() : reader.tensor("order").clone();
}

}  // namespace drystill::generator
