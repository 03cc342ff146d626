#pragma once

#include <torch/types.h>

#include <cstdint>

namespace drystill::language {

// Whether every row of `mask` [N, T] bool is tokens first, then padding: a causal model needs no mask for those,
// because a token never looks at what comes after it.
bool is_right_padded(const torch::Tensor& mask);

// What is added to attention scores, [N or 1, 1, T, keys]: 0 where query t may look at the key, -infinity elsewhere.
// The queries are the last T of the keys. `valid` [N, keys] bool says which keys are tokens; undefined: all. Every
// query sees itself, so padding gives numbers and not NaN.
torch::Tensor causal_mask(std::int64_t queries, std::int64_t keys, const torch::Tensor& valid,
                          const torch::TensorOptions& tensor_options);

// Positions of the tokens of `mask` [N, T] bool, counted from 0 in each row; padding before the first gets 0. int64.
torch::Tensor token_positions(const torch::Tensor& mask);

}  // namespace drystill::language
