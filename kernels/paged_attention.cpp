#include "kernels/paged_attention.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

#include "kernels/cpu/paged_attention_vec.h"

namespace drystill::kernels {
namespace {

constexpr std::int64_t kProductsPerTask = 1 << 14;  // below this a second thread costs more than it saves

template <class Scalar>
void store_heads(const PageLayout& layout, Scalar* page, std::int64_t layer, std::int64_t position, const float* keys,
                 const float* values) {
  const std::int64_t width = layout.value_width(), depth = layout.head_dim;
  for (std::int64_t head = 0; head < layout.kv_heads; ++head) {
    Scalar* key_block = page + (layer * layout.kv_heads + head) * layout.head_values();
    Scalar* value = key_block + PageLayout::kPositions * depth + position * width;
    Scalar* key =
        key_block + position / PageLayout::kBlock * depth * PageLayout::kBlock + position % PageLayout::kBlock;
    for (std::int64_t i = 0; i < depth; ++i) {
      key[i * PageLayout::kBlock] = Scalar(keys[head * depth + i]);
      value[i] = Scalar(values[head * depth + i]);
    }
  }
}

}  // namespace

void store_token(const PageLayout& layout, void* page, std::int64_t layer, std::int64_t position, const float* keys,
                 const float* values) {
  if (layout.type == torch::kBFloat16) {
    store_heads(layout, static_cast<c10::BFloat16*>(page), layer, position, keys, values);
  } else {
    store_heads(layout, static_cast<float*>(page), layer, position, keys, values);
  }
}

void paged_attention(const PageLayout& layout, std::int64_t layer, std::int64_t heads, double scale,
                     std::span<const AttentionRow> rows) {
  const std::int64_t kv_heads = layout.kv_heads, group = heads / kv_heads;
  std::int64_t longest = 1;
  for (const AttentionRow& row : rows) longest = std::max(longest, row.length);
  const std::int64_t products = 2 * longest * group * layout.head_dim;
  const bool half = layout.type == torch::kBFloat16;
  const auto attend = half ? cpu::attend<c10::BFloat16> : cpu::attend<float>;
  const auto fetch = half ? cpu::fetch_ahead<c10::BFloat16> : cpu::fetch_ahead<float>;
  const auto task_of = [&](std::int64_t task) -> cpu::HeadGroup {
    const AttentionRow& row = rows[task / kv_heads];
    const std::int64_t head = task % kv_heads, first = head * group * layout.head_dim;
    return {.queries = row.queries + first,
            .output = row.output + first,
            .pages = row.pages,
            .offset = (layer * kv_heads + head) * layout.head_values(),
            .length = row.length,
            .group = group,
            .head_dim = layout.head_dim,
            .value_width = layout.value_width(),
            .scale = static_cast<float>(scale)};
  };
  at::parallel_for(0, static_cast<std::int64_t>(rows.size()) * kv_heads,
                   std::max<std::int64_t>(1, kProductsPerTask / products), [&](std::int64_t begin, std::int64_t end) {
                     std::vector<float> scratch(cpu::attention_scratch(group, layout.value_width()));
                     for (std::int64_t task = begin; task < end; ++task) {
                       // Short pieces of many pages: the processor's own prefetcher sees no pattern in them.
                       if (task + 1 < end) fetch(task_of(task + 1));
                       attend(task_of(task), scratch.data());
                     }
                   });
}

}  // namespace drystill::kernels
