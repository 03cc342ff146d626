#pragma once

#include <c10/util/BFloat16.h>

#include <cstdint>

// Inner loops of batch statistics on raw pointers. batch_statistics_vec.cpp is compiled for AVX2 + FMA: only call these
// where has_fast_path() holds. No LibTorch tensor appears here, so that no inline function of its headers is compiled
// with those flags and picked by the linker for code that runs elsewhere.
namespace drystill::kernels::cpu {

// Floats of scratch that add_shifted_sums needs for `channels` channels, whose values lie in runs of `inner`.
std::int64_t scratch_floats(std::int64_t channels, std::int64_t inner);

// Where a task reads: outer rows [outer_begin, outer_end) and channels [channel_begin, channel_end) of a dense
// [outer, channels, inner] array.
struct ChannelBlock {
  std::int64_t channels, inner;
  std::int64_t outer_begin, outer_end;
  std::int64_t channel_begin, channel_end;
};

// first[c] += sum (x - shift[c]), second[c] += sum (x - shift[c])^2 over the block; both and `shift` are indexed by the
// channel's place in the whole array. Partial sums are float32 over at most a few thousand values, then float64.
template <class Scalar>
void add_shifted_sums(const Scalar* data, const ChannelBlock& block, const float* shift, float* scratch, double* first,
                      double* second);

// sums[c] += factor row[c]
template <class Scalar>
void add_row(const Scalar* row, std::int64_t count, float factor, float* sums);

// output = offset[c] + slope[c] (x - center[c]) over the block.
template <class Scalar>
void apply_channel_affine(const Scalar* data, const ChannelBlock& block, const float* center, const float* offset,
                          const float* slope, Scalar* output);

extern template void add_shifted_sums(const float*, const ChannelBlock&, const float*, float*, double*, double*);
extern template void add_shifted_sums(const c10::BFloat16*, const ChannelBlock&, const float*, float*, double*,
                                      double*);
extern template void add_row(const float*, std::int64_t, float, float*);
extern template void add_row(const c10::BFloat16*, std::int64_t, float, float*);
extern template void apply_channel_affine(const float*, const ChannelBlock&, const float*, const float*, const float*,
                                          float*);
extern template void apply_channel_affine(const c10::BFloat16*, const ChannelBlock&, const float*, const float*,
                                          const float*, c10::BFloat16*);

}  // namespace drystill::kernels::cpu
