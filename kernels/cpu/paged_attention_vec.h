#pragma once

#include <cstdint>

// One query token and one key-value head of kernels/paged_attention.h, compiled for AVX2 where there is AVX2.
namespace drystill::kernels::cpu {

struct HeadGroup {
  const float* queries;  // [group, head_dim]
  float* output;         // [group, head_dim]
  void* const* pages;
  std::int64_t offset;  // of this layer and key-value head in a page, in values
  std::int64_t length, group, head_dim, value_width;
  float scale;
};

// Floats that `scratch` must hold.
std::int64_t attention_scratch(std::int64_t group, std::int64_t value_width);

// Asks for the keys and values of a task's last page, without waiting.
template <class Scalar>
void fetch_ahead(const HeadGroup& task);

template <class Scalar>
void attend(const HeadGroup& task, float* scratch);

}  // namespace drystill::kernels::cpu
