#include "language/models/kv_cache.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include "core/error.h"

namespace drystill::language {

KvCache::KvCache(const TransformerOptions& model, std::int64_t rows, std::int64_t capacity, torch::ScalarType dtype,
                 torch::Device device)
    : rows_(rows), capacity_(capacity) {
  if (rows < 1 || capacity < 1) {
    throw InputError("[language.KvCache] expected at least 1 row and 1 entry, got " + std::to_string(rows) + " and " +
                     std::to_string(capacity));
  }
  const auto options = torch::TensorOptions(dtype).device(device);
  for (std::int64_t i = 0; i < model.layers; ++i) {
    keys_.push_back(at::empty({rows, model.kv_heads, capacity, model.head_dim}, options));
    values_.push_back(at::empty({rows, model.kv_heads, capacity, model.head_dim}, options));
  }
  valid_ = at::zeros({rows, capacity}, options.dtype(torch::kBool));
}

KvCache::View KvCache::append(std::int64_t layer, const torch::Tensor& key, const torch::Tensor& value) {
  const torch::NoGradGuard no_grad;
  const auto count = key.size(2);
  if (key.size(0) != rows_ || length_ + count > capacity_) {
    throw InputError("[language.KvCache] " + std::to_string(rows_) + " rows with room for " +
                     std::to_string(capacity_ - length_) + " more entries of " + std::to_string(capacity_) + ", got " +
                     std::to_string(key.size(0)) + " rows of " + std::to_string(count) +
                     "; make the cache as large as prompt and completion together");
  }
  auto& keys = keys_.at(static_cast<std::size_t>(layer));
  auto& values = values_.at(static_cast<std::size_t>(layer));
  keys.narrow(2, length_, count).copy_(key);
  values.narrow(2, length_, count).copy_(value);
  return {keys.narrow(2, 0, length_ + count), values.narrow(2, 0, length_ + count)};
}

void KvCache::advance(std::int64_t count, const torch::Tensor& valid) {
  auto fresh = valid_.narrow(1, length_, count);
  if (valid.defined()) {
    fresh.copy_(valid);
    has_padding_ = has_padding_ || !fresh.all().item<bool>();
  } else {
    fresh.fill_(true);
  }
  length_ += count;
}

KvCache::View KvCache::view(std::int64_t layer) const {
  const auto index = static_cast<std::size_t>(layer);
  return {keys_.at(index).narrow(2, 0, length_), values_.at(index).narrow(2, 0, length_)};
}

void KvCache::select_rows(const torch::Tensor& rows) {
  const torch::NoGradGuard no_grad;
  const auto pick = [&](torch::Tensor& tensor, std::int64_t dimension) {
    auto sizes = tensor.sizes().vec();
    sizes[0] = rows.numel();
    auto picked = at::empty(sizes, tensor.options());
    picked.narrow(dimension, 0, length_).copy_(tensor.narrow(dimension, 0, length_).index_select(0, rows));
    tensor = picked;
  };
  for (auto& keys : keys_) pick(keys, 2);
  for (auto& values : values_) pick(values, 2);
  valid_ = valid_.index_select(0, rows);
  rows_ = rows.numel();
}

torch::Tensor KvCache::valid() const {
  return valid_.narrow(1, 0, length_);
}

torch::Tensor KvCache::counts() const {
  return valid().sum(1, /*keepdim=*/false, torch::kInt64);
}

}  // namespace drystill::language
