#include "bench/support/peak_multiply_add.h"

#include <ATen/Parallel.h>

#include <chrono>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace drystill::bench {
namespace {

constexpr int kChains = 16;  // independent sums: enough to hide the latency of one
constexpr std::int64_t kRounds = 1 << 21;

// Each returns the operations of one thread. The asm keeps the compiler from computing the loop away.
using Work = double (*)();

double plain() {
  float sums[kChains] = {};
  float factor = 0.999f;
  for (std::int64_t i = 0; i < kRounds; ++i) {
    for (float& sum : sums) sum = sum * factor + 0.5f;
    asm volatile("" : "+m"(factor), "+m"(sums));
  }
  return 2.0 * kChains * kRounds;
}

#if defined(__x86_64__)
// The sums start alike; unless the compiler cannot know, it keeps one of them.
template <class Vector>
__attribute__((always_inline)) inline void hide(Vector& sum) {
  asm volatile("" : "+v"(sum));
}

__attribute__((target("avx2,fma"))) double avx2() {
  __m256 s[12], factor = _mm256_set1_ps(0.999f);
#pragma GCC unroll 16
  for (auto& sum : s) sum = factor, hide(sum);
  for (std::int64_t i = 0; i < kRounds; ++i) {
#pragma GCC unroll 16
    for (auto& sum : s) sum = _mm256_fmadd_ps(sum, factor, factor);
    asm volatile("" : "+x"(factor));
  }
#pragma GCC unroll 16
  for (auto& sum : s) asm volatile("" ::"x"(sum));
  return 2.0 * 8 * 12 * kRounds;
}

__attribute__((target("avx512f"))) double avx512() {
  __m512 s[kChains], factor = _mm512_set1_ps(0.999f);
#pragma GCC unroll 16
  for (auto& sum : s) sum = factor, hide(sum);
  for (std::int64_t i = 0; i < kRounds; ++i) {
#pragma GCC unroll 16
    for (auto& sum : s) sum = _mm512_fmadd_ps(sum, factor, factor);
    asm volatile("" : "+v"(factor));
  }
#pragma GCC unroll 16
  for (auto& sum : s) asm volatile("" ::"v"(sum));
  return 2.0 * 16 * kChains * kRounds;
}

__attribute__((target("avx512f,avx512bf16"))) double avx512_bf16() {
  __m512 s[kChains];
  __m512i pairs = _mm512_set1_epi32(0x3f7f3f7f);
#pragma GCC unroll 16
  for (auto& sum : s) sum = _mm512_setzero_ps(), hide(sum);
  for (std::int64_t i = 0; i < kRounds; ++i) {
#pragma GCC unroll 16
    for (auto& sum : s) sum = _mm512_dpbf16_ps(sum, (__m512bh)pairs, (__m512bh)pairs);
    asm volatile("" : "+v"(pairs));
  }
#pragma GCC unroll 16
  for (auto& sum : s) asm volatile("" ::"v"(sum));
  return 4.0 * 16 * kChains * kRounds;
}
#endif

Work fastest(torch::ScalarType type) {
#if defined(__x86_64__)
  if (type == torch::kBFloat16 && __builtin_cpu_supports("avx512bf16")) return avx512_bf16;
  if (__builtin_cpu_supports("avx512f")) return avx512;
  if (__builtin_cpu_supports("avx2")) return avx2;
#endif
  (void)type;
  return plain;
}

}  // namespace

double peak_multiply_add(torch::ScalarType type) {
  const Work work = fastest(type);
  const int threads = at::get_num_threads();
  double operations = 0;
  const auto start = std::chrono::steady_clock::now();
  at::parallel_for(0, threads, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const double mine = work();
      if (i == 0) operations = mine;
    }
  });
  return operations * threads / std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace drystill::bench
