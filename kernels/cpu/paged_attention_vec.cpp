#include "kernels/cpu/paged_attention_vec.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/cpu/vec_pair.h"
#include "kernels/paged_attention.h"

namespace drystill::kernels::cpu {
namespace {

constexpr std::int64_t kPositions = PageLayout::kPositions, kBlock = PageLayout::kBlock;
constexpr int kMostHeads = 4;  // heads that share a load of keys or values: 8 sums stay in registers
static_assert(kBlock % kPair == 0);

// scores[h][0 : blocks * 16] = scale q_h K^T over the blocks of one page.
template <int kHeads, class Scalar>
void page_scores(const float* queries, std::int64_t head_dim, const Scalar* keys, std::int64_t blocks, float scale,
                 float* scores) {
  const FloatVec scales(scale);
  for (std::int64_t block = 0; block < blocks; ++block) {
    for (std::int64_t half = 0; half < kBlock; half += kPair) {
      FloatVec low[kHeads], high[kHeads];
      for (int h = 0; h < kHeads; ++h) low[h] = high[h] = FloatVec(0.f);
      const Scalar* from = keys + block * head_dim * kBlock + half;
      for (std::int64_t i = 0; i < head_dim; ++i) {
        const VecPair key = load_pair(from + i * kBlock);
        for (int h = 0; h < kHeads; ++h) {
          const FloatVec query(queries[h * head_dim + i]);
          low[h] = at::vec::fmadd(query, key.low, low[h]);
          high[h] = at::vec::fmadd(query, key.high, high[h]);
        }
      }
      for (int h = 0; h < kHeads; ++h) {
        store_pair({low[h] * scales, high[h] * scales}, scores + h * kPositions + block * kBlock + half);
      }
    }
  }
}

// sums[h][:] = sums[h][:] * decay[h] + sum_t weights[h][t] values[t][:]
template <int kHeads, class Scalar>
void page_values(const float* weights, const float* decay, const Scalar* values, std::int64_t count, std::int64_t width,
                 float* sums) {
  for (std::int64_t i = 0; i < width; i += kPair) {
    FloatVec low[kHeads], high[kHeads];
    for (int h = 0; h < kHeads; ++h) {
      const VecPair before = load_pair(sums + h * width + i);
      low[h] = before.low * FloatVec(decay[h]);
      high[h] = before.high * FloatVec(decay[h]);
    }
    for (std::int64_t t = 0; t < count; ++t) {
      const VecPair value = load_pair(values + t * width + i);
      for (int h = 0; h < kHeads; ++h) {
        const FloatVec weight(weights[h * kPositions + t]);
        low[h] = at::vec::fmadd(weight, value.low, low[h]);
        high[h] = at::vec::fmadd(weight, value.high, high[h]);
      }
    }
    for (int h = 0; h < kHeads; ++h) store_pair({low[h], high[h]}, sums + h * width + i);
  }
}

struct Running {
  float maximum, total;
};

// Turns the scores of one page into weights relative to the new maximum; returns what earlier sums shrink by.
float softmax_page(float* scores, std::int64_t count, Running& running) {
  const std::int64_t end = (count + kBlock - 1) / kBlock * kBlock;
  std::fill(scores + count, scores + end, -std::numeric_limits<float>::infinity());
  FloatVec largest(running.maximum);
  for (std::int64_t t = 0; t < end; t += kLanes) largest = at::vec::maximum(largest, FloatVec::loadu(scores + t));
  const float maximum =
      at::vec::vec_reduce_all<float>([](FloatVec& a, FloatVec& b) { return at::vec::maximum(a, b); }, largest);
  const FloatVec top(maximum);
  FloatVec sum(0.f);
  for (std::int64_t t = 0; t < end; t += kLanes) {
    const FloatVec weight = (FloatVec::loadu(scores + t) - top).exp();
    weight.store(scores + t);
    sum = sum + weight;
  }
  const float decay = std::exp(running.maximum - maximum);
  running.total =
      running.total * decay + at::vec::vec_reduce_all<float>([](FloatVec& a, FloatVec& b) { return a + b; }, sum);
  running.maximum = maximum;
  return decay;
}

template <int kHeads, class Scalar>
void attend_heads(const HeadGroup& task, std::int64_t first, float* scratch) {
  const std::int64_t width = task.value_width;
  float* scores = scratch;
  float* sums = scratch + kHeads * kPositions;
  std::fill(sums, sums + kHeads * width, 0.f);
  Running running[kHeads];
  for (auto& state : running) state = {-std::numeric_limits<float>::infinity(), 0.f};
  const float* queries = task.queries + first * task.head_dim;
  for (std::int64_t page = 0; page * kPositions < task.length; ++page) {
    const std::int64_t count = std::min(kPositions, task.length - page * kPositions);
    const Scalar* keys = static_cast<const Scalar*>(task.pages[page]) + task.offset;
    page_scores<kHeads>(queries, task.head_dim, keys, (count + kBlock - 1) / kBlock, task.scale, scores);
    float decay[kHeads];
    for (int h = 0; h < kHeads; ++h) decay[h] = softmax_page(scores + h * kPositions, count, running[h]);
    page_values<kHeads>(scores, decay, keys + kPositions * task.head_dim, count, width, sums);
  }
  for (int h = 0; h < kHeads; ++h) {
    float* output = task.output + (first + h) * task.head_dim;
    for (std::int64_t i = 0; i < task.head_dim; ++i) output[i] = sums[h * width + i] / running[h].total;
  }
}

}  // namespace

std::int64_t attention_scratch(std::int64_t group, std::int64_t value_width) {
  return std::min<std::int64_t>(group, kMostHeads) * (kPositions + value_width);
}

template <class Scalar>
void attend(const HeadGroup& task, float* scratch) {
  for (std::int64_t head = 0; head < task.group;) {
    switch (std::min<std::int64_t>(kMostHeads, task.group - head)) {
      case 1:
        attend_heads<1, Scalar>(task, head, scratch);
        break;
      case 2:
        attend_heads<2, Scalar>(task, head, scratch);
        break;
      case 3:
        attend_heads<3, Scalar>(task, head, scratch);
        break;
      default:
        attend_heads<4, Scalar>(task, head, scratch);
        break;
    }
    head += std::min<std::int64_t>(kMostHeads, task.group - head);
  }
}

template <class Scalar>
void fetch_ahead(const HeadGroup& task) {
  const std::int64_t page = (task.length - 1) / kPositions, count = task.length - page * kPositions;
  const Scalar* keys = static_cast<const Scalar*>(task.pages[page]) + task.offset;
  const auto fetch = [](const Scalar* from, std::int64_t values) {
    constexpr std::int64_t kLineValues = 64 / sizeof(Scalar);
    for (std::int64_t i = 0; i < values; i += kLineValues) __builtin_prefetch(from + i);
  };
  fetch(keys, (count + kBlock - 1) / kBlock * kBlock * task.head_dim);
  fetch(keys + kPositions * task.head_dim, count * task.value_width);
}

template void fetch_ahead<float>(const HeadGroup&);
template void fetch_ahead<c10::BFloat16>(const HeadGroup&);
template void attend<float>(const HeadGroup&, float*);
template void attend<c10::BFloat16>(const HeadGroup&, float*);

}  // namespace drystill::kernels::cpu
