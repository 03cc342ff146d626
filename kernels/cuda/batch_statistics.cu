#include <algorithm>

#include "kernels/cuda/batch_statistics_launch.h"
#include "kernels/cuda/pack.cuh"

namespace drystill::kernels::cuda {
namespace {

constexpr int kThreads = 256, kWarps = kThreads / kWarp;

// Sum and sum of squares around an origin. Sums of one origin add up: no division until a block is done.
struct CentredSums {
  double first = 0, second = 0;

  __device__ CentredSums& operator+=(const CentredSums& other) {
    first += other.first;
    second += other.second;
    return *this;
  }

  __device__ CentredSums lower_lane(unsigned distance) const {
    return {__shfl_down_sync(kWholeWarp, first, distance), __shfl_down_sync(kWholeWarp, second, distance)};
  }

  __device__ PartialMoments moments(double origin, std::int64_t values) const {
    if (values == 0) return {0, 0, 0};
    const double n = static_cast<double>(values);
    return {n, origin + first / n, second - first * first / n};
  }
};

// Sums of one thread around the first value it meets: no outside shift can be wrong, and a large mean costs no digits.
struct ThreadSums {
  float first = 0, second = 0;

  __device__ void add(float difference) {
    first += difference;
    second += difference * difference;
  }

  __device__ CentredSums around(double origin, double shift, std::int64_t values) const {
    const double by = shift - origin, moved = by * static_cast<double>(values);
    return {first + moved, second + by * (2.0 * first + moved)};
  }
};

// How many of `begin`, `begin + step`, ... lie below `end`.
__device__ std::int64_t strided_count(std::int64_t begin, std::int64_t end, std::int64_t step) {
  return begin < end ? (end - begin + step - 1) / step : 0;
}

// inner > 1. Block (c, split) takes every value of channel c in its share of the packs.
template <class Scalar, int kSize>
__global__ void __launch_bounds__(kThreads)
    plane_moments(const Scalar* input, std::int64_t outer, std::int64_t channels, std::int64_t inner,
                  PartialMoments* partials) {
  __shared__ float origin;
  __shared__ CentredSums of_warp[kWarps];
  const std::int64_t channel = blockIdx.x, run = inner / kSize, packs = outer * run;
  const std::int64_t first = packs * blockIdx.y / gridDim.y, end = packs * (blockIdx.y + 1) / gridDim.y;
  const std::int64_t begin = first + threadIdx.x, count = strided_count(begin, end, kThreads);
  // Where this thread stands is carried along: a 64-bit division for each pack would cost more than the load.
  const std::int64_t other_channels = (channels - 1) * run;
  const std::int64_t step_rest = kThreads % run, step = kThreads / run * channels * run + step_rest;
  std::int64_t place = begin % run;
  const auto* at =
      reinterpret_cast<const Pack<Scalar, kSize>*>(input) + (begin / run * channels + channel) * run + place;
  const float shift = count > 0 ? to_float(at->values[0]) : 0;
  if (threadIdx.x == 0) origin = shift;
  ThreadSums sums[kSize];
#pragma unroll 4
  for (std::int64_t i = 0; i < count; ++i) {
    const Pack<Scalar, kSize> pack = *at;
#pragma unroll
    for (int k = 0; k < kSize; ++k) sums[k].add(to_float(pack.values[k]) - shift);
    at += step;
    place += step_rest;
    if (place >= run) {
      place -= run;
      at += other_channels;
    }
  }
  __syncthreads();
  CentredSums mine;
#pragma unroll
  for (int k = 0; k < kSize; ++k) mine += sums[k].around(origin, shift, count);
  for (unsigned distance = kWarp / 2; distance > 0; distance /= 2) mine += mine.lower_lane(distance);
  if (threadIdx.x % kWarp == 0) of_warp[threadIdx.x / kWarp] = mine;
  __syncthreads();
  if (threadIdx.x != 0) return;
  for (int warp = 1; warp < kWarps; ++warp) mine += of_warp[warp];
  partials[blockIdx.y * channels + channel] = mine.moments(origin, (end - first) * kSize);
}

// inner == 1. threadIdx.x walks channels side by side, threadIdx.y rows; block (tile, split). blockDim.x: a power of
// two up to a warp.
template <class Scalar, int kSize>
__global__ void __launch_bounds__(kThreads)
    row_moments(const Scalar* input, std::int64_t rows, std::int64_t channels, PartialMoments* partials) {
  constexpr unsigned kTogether = 4;  // channels of a pack whose sums meet in shared memory at a time
  static_assert(kSize == 1 || kSize % kTogether == 0);
  __shared__ float origins[kWarp][kSize];
  __shared__ CentredSums of_warp[kWarps][kWarp][kTogether];
  const std::int64_t channel = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * kSize;
  const bool active = channel < channels;
  const std::int64_t first = rows * blockIdx.y / gridDim.y, end = rows * (blockIdx.y + 1) / gridDim.y;
  const std::int64_t begin = first + threadIdx.y, count = active ? strided_count(begin, end, blockDim.y) : 0;
  const Scalar* at = input + begin * channels + channel;
  const std::int64_t step = blockDim.y * channels;
  float shifts[kSize] = {};
  if (count > 0) {
#pragma unroll
    for (int k = 0; k < kSize; ++k) shifts[k] = to_float(at[k]);
  }
  if (threadIdx.y == 0) {
#pragma unroll
    for (int k = 0; k < kSize; ++k) origins[threadIdx.x][k] = shifts[k];
  }
  ThreadSums sums[kSize];
#pragma unroll 4
  for (std::int64_t i = 0; i < count; ++i) {
    const auto pack = *reinterpret_cast<const Pack<Scalar, kSize>*>(at);
#pragma unroll
    for (int k = 0; k < kSize; ++k) sums[k].add(to_float(pack.values[k]) - shifts[k]);
    at += step;
  }
  __syncthreads();
  const unsigned thread = threadIdx.y * blockDim.x + threadIdx.x, warp = thread / kWarp, lane = thread % kWarp;
  constexpr unsigned kPart = kSize < kTogether ? kSize : kTogether;
#pragma unroll
  for (unsigned part = 0; part < kSize; part += kPart) {
    if (part > 0) __syncthreads();
#pragma unroll
    for (unsigned k = 0; k < kPart; ++k) {
      CentredSums mine = sums[part + k].around(origins[threadIdx.x][part + k], shifts[part + k], count);
      for (unsigned distance = kWarp / 2; distance >= blockDim.x; distance /= 2) mine += mine.lower_lane(distance);
      if (lane < blockDim.x) of_warp[warp][lane][k] = mine;
    }
    __syncthreads();
    // A thread for each channel from here.
    const unsigned column = thread / kPart, k = thread % kPart;
    const std::int64_t mine = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + column) * kSize + part + k;
    if (column >= blockDim.x || mine >= channels) continue;
    CentredSums all = of_warp[0][column][k];
    for (int w = 1; w < kWarps; ++w) all += of_warp[w][column][k];
    partials[blockIdx.y * channels + mine] = all.moments(origins[column][part + k], end - first);
  }
}

// Block c merges the splits of channel c: channels-last input has few columns of blocks and so up to a thousand splits.
// Moved to the first split's mean, they add up (Chan, Golub and LeVeque's merge without its division).
__global__ void __launch_bounds__(kThreads) merge_splits(const PartialMoments* partials, std::int64_t splits,
                                                         std::int64_t channels, float* mean, float* variance) {
  __shared__ CentredSums of_warp[kWarps];
  __shared__ double count_of_warp[kWarps];
  const std::int64_t channel = blockIdx.x;
  const double origin = partials[channel].mean;
  CentredSums sums;
  double count = 0;
#pragma unroll 4
  for (std::int64_t split = threadIdx.x; split < splits; split += blockDim.x) {
    const PartialMoments part = partials[split * channels + channel];
    const double by = part.mean - origin, moved = part.count * by;
    sums += {moved, part.squares + moved * by};
    count += part.count;
  }
  for (unsigned distance = kWarp / 2; distance > 0; distance /= 2) {
    sums += sums.lower_lane(distance);
    count += __shfl_down_sync(kWholeWarp, count, distance);
  }
  if (threadIdx.x % kWarp == 0) {
    of_warp[threadIdx.x / kWarp] = sums;
    count_of_warp[threadIdx.x / kWarp] = count;
  }
  __syncthreads();
  if (threadIdx.x != 0) return;
  for (unsigned warp = 1; warp < blockDim.x / kWarp; ++warp) {
    sums += of_warp[warp];
    count += count_of_warp[warp];
  }
  const double shift = sums.first / count, squares = sums.second - sums.first * shift;
  mean[channel] = static_cast<float>(origin + shift);
  // Rounding may leave -1e-20; the comparison keeps NaN.
  variance[channel] = static_cast<float>(squares < 0 ? 0 : squares / count);
}

__device__ double sum_block(double mine) {
  __shared__ double of_thread[kThreads];
  of_thread[threadIdx.x] = mine;
  __syncthreads();
  for (int half = kThreads / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) of_thread[threadIdx.x] += of_thread[threadIdx.x + half];
    __syncthreads();
  }
  const double total = of_thread[0];
  __syncthreads();  // the next call writes the same memory
  return total;
}

// || actual - expected ||; slope = factor * (actual - expected) / norm, 0 where the norm is.
__device__ double root(const float* actual, const float* expected, std::int64_t channels, double factor, float* slope) {
  double squares = 0;
  for (std::int64_t c = threadIdx.x; c < channels; c += kThreads) {
    const double d = static_cast<double>(actual[c]) - expected[c];
    squares += d * d;
  }
  const double norm = sqrt(sum_block(squares));
  const double scale = norm == 0 ? 0 : factor / norm;
  for (std::int64_t c = threadIdx.x; c < channels; c += kThreads) {
    slope[c] = static_cast<float>(scale * (static_cast<double>(actual[c]) - expected[c]));
  }
  return norm;
}

__global__ void __launch_bounds__(kThreads) distance(DistanceArrays arrays, std::int64_t channels, double count) {
  const double of_variance = root(arrays.variance, arrays.running_variance, channels, 2 / count, arrays.slope);
  const double of_mean = root(arrays.mean, arrays.running_mean, channels, 1 / count, arrays.offset);
  if (threadIdx.x == 0) *arrays.distance = static_cast<float>(of_variance + of_mean);
}

template <class Scalar, int kSize, bool kRows, class Index>
__global__ void __launch_bounds__(kThreads)
    channel_affine(const Scalar* input, Index packs, Index channels, Index run, AffineArrays arrays) {
  const float scale = *arrays.scale;
  const Index stride = static_cast<Index>(gridDim.x) * kThreads;
  for (Index pack = static_cast<Index>(blockIdx.x) * kThreads + threadIdx.x; pack < packs; pack += stride) {
    auto values = reinterpret_cast<const Pack<Scalar, kSize>*>(input)[pack];
    // Rows: a pack holds kSize neighbouring channels, `run` packs a row. Planes: all of a pack is one channel.
    const Index channel = kRows ? pack % run * kSize : pack / run % channels;
#pragma unroll
    for (int k = 0; k < kSize; ++k) {
      const Index c = kRows ? channel + k : channel;
      const float x = to_float(values.values[k]) - __ldg(arrays.center + c);
      values.values[k] = from_float<Scalar>(scale * fmaf(__ldg(arrays.slope + c), x, __ldg(arrays.offset + c)));
    }
    reinterpret_cast<Pack<Scalar, kSize>*>(arrays.output)[pack] = values;
  }
}

// Calls `launch(pointer, integral constant of the pack size)` for the storage and the widest pack that fits.
template <class Launch>
void with_pack(const ChannelArray& input, bool aligned, const Launch& launch) {
  const std::int64_t length = input.inner == 1 ? input.channels : input.inner;
  const auto typed = [&]<class Scalar>(const Scalar* data) {
    constexpr int kWide = kWidePack<Scalar>;
    if (aligned && length % kWide == 0) {
      launch(data, std::integral_constant<int, kWide>());
    } else {
      launch(data, std::integral_constant<int, 1>());
    }
  };
  if (input.storage == Storage::kFloat32) {
    typed(static_cast<const float*>(input.data));
  } else {
    typed(static_cast<const __nv_bfloat16*>(input.data));
  }
}

// Threads side by side over the packs of a row: a power of two, so that the rows' tree below is whole.
unsigned row_width(std::int64_t packs) {
  unsigned width = 1;
  while (width < kWarp && width < packs) width *= 2;
  return width;
}

}  // namespace

std::int64_t statistics_splits(const ChannelArray& input, int multiprocessors) {
  std::int64_t columns = input.channels, most = ceil_div(input.outer * input.inner, 4 * kThreads);
  if (input.inner == 1) {
    const unsigned width = row_width(input.channels);  // at worst: one channel a thread
    columns = ceil_div(input.channels, width);
    most = ceil_div(input.outer, 4 * (kThreads / width));
  }
  const std::int64_t wanted = ceil_div(std::int64_t{8} * multiprocessors, columns);
  return std::clamp<std::int64_t>(std::min(wanted, most), 1, 65535);
}

void launch_statistics(const ChannelArray& input, std::int64_t splits, PartialMoments* workspace, float* mean,
                       float* variance, cudaStream_t stream) {
  const auto split_count = static_cast<unsigned>(splits);
  with_pack(input, aligned16(input.data),
            [&]<class Scalar, int kSize>(const Scalar* data, std::integral_constant<int, kSize>) {
              if (input.inner == 1) {
                const unsigned width = row_width(input.channels / kSize);
                const auto tiles = static_cast<unsigned>(ceil_div(input.channels / kSize, width));
                row_moments<Scalar, kSize><<<dim3(tiles, split_count), dim3(width, kThreads / width), 0, stream>>>(
                    data, input.outer, input.channels, workspace);
              } else {
                plane_moments<Scalar, kSize>
                    <<<dim3(static_cast<unsigned>(input.channels), split_count), kThreads, 0, stream>>>(
                        data, input.outer, input.channels, input.inner, workspace);
              }
            });
  const auto merging = static_cast<unsigned>(std::min<std::int64_t>(ceil_div(splits, kWarp) * kWarp, kThreads));
  merge_splits<<<static_cast<unsigned>(input.channels), merging, 0, stream>>>(workspace, splits, input.channels, mean,
                                                                              variance);
}

void launch_distance(const DistanceArrays& arrays, std::int64_t channels, std::int64_t count, cudaStream_t stream) {
  distance<<<1, kThreads, 0, stream>>>(arrays, channels, static_cast<double>(count));
}

void launch_channel_affine(const ChannelArray& input, const AffineArrays& arrays, int multiprocessors,
                           cudaStream_t stream) {
  const bool aligned = aligned16(input.data) && aligned16(arrays.output);
  with_pack(input, aligned, [&]<class Scalar, int kSize>(const Scalar* data, std::integral_constant<int, kSize>) {
    const std::int64_t packs = input.outer * input.channels * input.inner / kSize;
    const bool rows = input.inner == 1;
    const std::int64_t run = (rows ? input.channels : input.inner) / kSize;
    const auto blocks =
        static_cast<unsigned>(std::min<std::int64_t>(ceil_div(packs, kThreads), std::int64_t{16} * multiprocessors));
    const auto go = [&]<class Index>(Index) {
      const auto kernel =
          rows ? channel_affine<Scalar, kSize, true, Index> : channel_affine<Scalar, kSize, false, Index>;
      kernel<<<blocks, kThreads, 0, stream>>>(data, static_cast<Index>(packs), static_cast<Index>(input.channels),
                                              static_cast<Index>(run), arrays);
    };
    // 32-bit division is several times cheaper; the bound leaves room for one more stride.
    if (packs < (std::int64_t{1} << 31)) {
      go(std::uint32_t{0});
    } else {
      go(std::uint64_t{0});
    }
  });
}

}  // namespace drystill::kernels::cuda
