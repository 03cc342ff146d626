#pragma once

#include <torch/types.h>

#include <span>

namespace drystill::kernels {

// How keys and values of past tokens lie in memory. A sequence owns pages of kPositions tokens, all layers in a page:
// it grows without copying, and a finished sequence is dropped without moving its neighbours (Kwon et al. 2023). Within
// a page, of one layer and one key-value head: keys as [4 blocks][head_dim][16 positions], so that sixteen scores are
// computed side by side without horizontal sums; then values as [kPositions][value_width].
struct PageLayout {
  static constexpr std::int64_t kPositions = 64, kBlock = 16;

  std::int64_t layers, kv_heads, head_dim;
  torch::ScalarType type;  // float32 or bfloat16

  std::int64_t value_width() const { return (head_dim + kBlock - 1) / kBlock * kBlock; }
  std::int64_t head_values() const { return kPositions * (head_dim + value_width()); }
  std::int64_t page_values() const { return layers * kv_heads * head_values(); }
};

// Writes one token's keys and values [kv_heads, head_dim] to `position` (counted within the page) of one layer.
void store_token(const PageLayout& layout, void* page, std::int64_t layer, std::int64_t position, const float* keys,
                 const float* values);

// One query token: attends to the first `length` tokens of its sequence.
struct AttentionRow {
  const float* queries;  // [heads, head_dim]
  float* output;         // [heads, head_dim], not the queries
  void* const* pages;    // of the sequence; `length` tokens are stored
  std::int64_t length;
};

// softmax(scale q K^T) V for every row and head, heads / kv_heads neighbouring heads to a key-value head. float32
// arithmetic with a running maximum over pages (Milakov and Gimelshein 2018); threads share rows and key-value heads.
void paged_attention(const PageLayout& layout, std::int64_t layer, std::int64_t heads, double scale,
                     std::span<const AttentionRow> rows);

}  // namespace drystill::kernels
