#include "language/models/attention_mask.h"

#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include <limits>

namespace drystill::language {

bool is_right_padded(const torch::Tensor& mask) {
  const auto length = mask.size(1);
  if (length == 0) return true;
  // A token that follows padding would make this a row of another kind.
  return !(mask.narrow(1, 1, length - 1) & ~mask.narrow(1, 0, length - 1)).any().item<bool>();
}

torch::Tensor causal_mask(std::int64_t queries, std::int64_t keys, const torch::Tensor& valid,
                          const torch::TensorOptions& tensor_options) {
  const auto past = keys - queries;
  const auto booleans = tensor_options.dtype(torch::kBool);
  auto allowed = at::ones({queries, keys}, booleans).tril(past).unsqueeze(0);  // [1, T, keys]
  if (valid.defined()) {
    const auto itself = at::ones({queries, keys}, booleans).triu(past).tril(past);
    allowed = allowed & (valid.unsqueeze(1) | itself);
  }
  auto mask = at::zeros(allowed.sizes(), tensor_options);
  mask.masked_fill_(~allowed, -std::numeric_limits<double>::infinity());
  return mask.unsqueeze(1);
}

torch::Tensor token_positions(const torch::Tensor& mask) {
  return (mask.cumsum(1, torch::kInt64) - 1).clamp_min(0);
}

}  // namespace drystill::language
