#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "language/models/transformer_options.h"

namespace drystill::language {

// Keys and values of every layer for a batch of texts in progress, in memory taken once. Keys are stored rotated.
// All rows have the same number of entries; padding is marked invalid, not left out. Not differentiable.
class KvCache {
 public:
  // Room for `capacity` entries in each of `rows` rows.
  KvCache(const TransformerOptions& model, std::int64_t rows, std::int64_t capacity,
          torch::ScalarType dtype = torch::kFloat32, torch::Device device = torch::kCPU);

  struct View {
    torch::Tensor key;    // [rows, kv_heads, entries, head_dim]
    torch::Tensor value;  // the same
  };
  // Writes the keys and values of `layer` behind the valid entries and returns all of them, the new ones included.
  // [rows, kv_heads, T, head_dim] each. The new entries count only after `advance`, which follows the last layer.
  View append(std::int64_t layer, const torch::Tensor& key, const torch::Tensor& value);
  // Makes the T appended entries count. `valid` [rows, T] bool; undefined: all are tokens.
  void advance(std::int64_t count, const torch::Tensor& valid = {});

  // The entries that count.
  View view(std::int64_t layer) const;

  // Row i of the cache becomes what row rows[i] was: beams, finished texts dropped, one prompt copied. int64 [new
  // rows].
  void select_rows(const torch::Tensor& rows);

  std::int64_t rows() const { return rows_; }
  std::int64_t length() const { return length_; }
  std::int64_t capacity() const { return capacity_; }
  std::int64_t layers() const { return static_cast<std::int64_t>(keys_.size()); }
  bool has_padding() const { return has_padding_; }
  torch::Tensor valid() const;   // [rows, length] bool: which entries are tokens
  torch::Tensor counts() const;  // int64 [rows]: valid entries, which is the position of the next token

 private:
  std::vector<torch::Tensor> keys_;
  std::vector<torch::Tensor> values_;
  torch::Tensor valid_;  // [rows, capacity] bool
  std::int64_t rows_;
  std::int64_t capacity_;
  std::int64_t length_ = 0;
  bool has_padding_ = false;
};

}  // namespace drystill::language
