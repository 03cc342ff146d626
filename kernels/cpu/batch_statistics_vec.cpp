#include "kernels/cpu/batch_statistics_vec.h"

#include <algorithm>

#include "kernels/cpu/vec_pair.h"

namespace drystill::kernels::cpu {
namespace {

// Values a float32 lane may add up before it is emptied into float64.
constexpr std::int64_t kValuesPerLane = 512;
// Channels-last: so many bytes of rows are summed 32 channels at a time in registers, before scratch is touched, while
// the rows after them are fetched in the order of memory, which the hardware's prefetchers would lose.
constexpr std::int64_t kRowGroupBytes = 8192;
constexpr std::int64_t kMostRows = 64;
// Planes: how far the loops fetch ahead, past the ends of pages, where those prefetchers stop.
constexpr std::int64_t kBytesAhead = 4096;
constexpr std::int64_t kLineBytes = 64;
// Planes: samples whose runs are summed in registers together where one run is too short to pay for touching scratch.
template <class Scalar>
constexpr std::int64_t kSampleGroup = 16 / sizeof(Scalar);
constexpr std::int64_t kShortRun = 256;
// Runs of sixteen values: a cache line of them from each of so many samples, each fetched so many bytes ahead.
constexpr std::int64_t kPairGroup = 8;
constexpr std::int64_t kPairsAhead = 256;

// One vector of first sums and one of second sums per channel (planes), or one value of each (rows).
struct Scratch {
  float* first;
  float* second;
};

// Into the second-level cache, which has more misses in flight than the first.
void fetch(const void* from, std::int64_t bytes) {
  for (std::int64_t line = 0; line < bytes; line += kLineBytes) {
    __builtin_prefetch(static_cast<const char*>(from) + line, 0, 2);
  }
}

double sum_of_lanes(const float* lanes) {
  return at::vec::vec_reduce_all<float>([](FloatVec& a, FloatVec& b) { return a + b; }, FloatVec::loadu(lanes));
}

// `runs` runs of `count` values, `stride` apart, of one channel.
template <class Scalar>
void add_runs(const Scalar* data, std::int64_t runs, std::int64_t stride, std::int64_t count, float shift, float* first,
              float* second) {
  const FloatVec center(shift);
  FloatVec first_a = FloatVec::loadu(first), second_a = FloatVec::loadu(second);
  FloatVec first_b(0.f), second_b(0.f), second_c(0.f), second_d(0.f);  // several chains hide the latency of fmadd
  const std::int64_t whole = count - count % kPair;
  for (std::int64_t r = 0; r < runs; ++r) {
    const Scalar* run = data + r * stride;
    std::int64_t i = 0;
    for (; i + 2 * kPair <= whole; i += 2 * kPair) {
      fetch(reinterpret_cast<const char*>(run + i) + kBytesAhead, 2 * kPair * sizeof(Scalar));
      const VecPair x = load_unordered_pair(run + i), y = load_unordered_pair(run + i + kPair);
      const FloatVec a = x.low - center, b = x.high - center, c = y.low - center, d = y.high - center;
      first_a = first_a + (a + c);
      first_b = first_b + (b + d);
      second_a = at::vec::fmadd(a, a, second_a);
      second_b = at::vec::fmadd(b, b, second_b);
      second_c = at::vec::fmadd(c, c, second_c);
      second_d = at::vec::fmadd(d, d, second_d);
    }
    if (i < whole) {
      const VecPair x = load_unordered_pair(run + i);
      const FloatVec a = x.low - center, b = x.high - center;
      first_a = first_a + a;
      first_b = first_b + b;
      second_a = at::vec::fmadd(a, a, second_a);
      second_b = at::vec::fmadd(b, b, second_b);
    }
  }
  (first_a + first_b).store(first);
  ((second_a + second_b) + (second_c + second_d)).store(second);
  if (whole == count) return;
  for (std::int64_t r = 0; r < runs; ++r) {
    for (std::int64_t i = whole; i < count; ++i) {
      const float d = static_cast<float>(data[r * stride + i]) - shift;
      first[i % kLanes] += d;
      second[i % kLanes] += d * d;
    }
  }
}

// The same for runs of sixteen values, the 4 x 4 maps at the end of a network: a cache line of `kChannels` at a time,
// and nothing but the loop over the samples, which would otherwise cost less than what is around it.
template <int kChannels, class Scalar>
void add_pairs(const Scalar* data, std::int64_t runs, std::int64_t stride, const float* shift, float* first,
               float* second) {
  FloatVec center[kChannels], sums[kChannels], low_squares[kChannels], high_squares[kChannels];
  for (int c = 0; c < kChannels; ++c) {
    center[c] = FloatVec(shift[c]);
    sums[c] = FloatVec::loadu(first + c * kLanes);
    low_squares[c] = FloatVec::loadu(second + c * kLanes);
    high_squares[c] = FloatVec(0.f);
  }
  for (std::int64_t r = 0; r < runs; ++r) {
    const Scalar* run = data + r * stride;
    __builtin_prefetch(reinterpret_cast<const char*>(run) + kPairsAhead);
    for (int c = 0; c < kChannels; ++c) {
      const VecPair x = load_unordered_pair(run + c * kPair);
      const FloatVec low = x.low - center[c], high = x.high - center[c];
      sums[c] = sums[c] + (low + high);
      low_squares[c] = at::vec::fmadd(low, low, low_squares[c]);
      high_squares[c] = at::vec::fmadd(high, high, high_squares[c]);
    }
  }
  for (int c = 0; c < kChannels; ++c) {
    sums[c].store(first + c * kLanes);
    (low_squares[c] + high_squares[c]).store(second + c * kLanes);
  }
}

// [outer, channels, inner > 1]: the runs of a row are read in memory order, each into its channel's lanes.
template <class Scalar>
void add_planes(const Scalar* data, const ChannelBlock& block, const float* shift, Scratch scratch, double* first,
                double* second) {
  const std::int64_t width = block.channel_end - block.channel_begin;
  const auto empty = [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t c = begin; c < end; ++c) {
      first[block.channel_begin + c] += sum_of_lanes(scratch.first + c * kLanes);
      second[block.channel_begin + c] += sum_of_lanes(scratch.second + c * kLanes);
    }
    std::fill(scratch.first + begin * kLanes, scratch.first + end * kLanes, 0.f);
    std::fill(scratch.second + begin * kLanes, scratch.second + end * kLanes, 0.f);
  };
  std::fill(scratch.first, scratch.first + width * kLanes, 0.f);
  std::fill(scratch.second, scratch.second + width * kLanes, 0.f);

  const std::int64_t limit = kValuesPerLane * kLanes;
  constexpr int kLineChannels = kLineBytes / (kPair * sizeof(Scalar));  // of runs of kPair values
  const std::int64_t group = block.inner == kPair ? kPairGroup : block.inner <= kShortRun ? kSampleGroup<Scalar> : 1;
  const std::int64_t stride = block.channels * block.inner;
  std::int64_t filled = 0;  // values in each channel's lanes
  for (std::int64_t o = block.outer_begin; o < block.outer_end; o += group) {
    const std::int64_t runs = std::min(group, block.outer_end - o);
    const Scalar* row = data + o * stride + block.channel_begin * block.inner;
    std::int64_t c = 0;
    for (; block.inner == kPair && c + kLineChannels <= width; c += kLineChannels) {
      add_pairs<kLineChannels>(row + c * kPair, runs, stride, shift + block.channel_begin + c,
                               scratch.first + c * kLanes, scratch.second + c * kLanes);
    }
    for (; c < width; ++c) {
      for (std::int64_t i = 0; i < block.inner; i += limit) {
        add_runs(row + c * block.inner + i, runs, stride, std::min(limit, block.inner - i),
                 shift[block.channel_begin + c], scratch.first + c * kLanes, scratch.second + c * kLanes);
        if (block.inner > limit) empty(c, c + 1);
      }
    }
    filled += runs * block.inner;
    if (filled + group * block.inner > limit) {
      empty(0, width);
      filled = 0;
    }
  }
  empty(0, width);
}

// `Pairs` times sixteen channels down `rows` rows, all sums in registers; fetches as many bytes from `ahead` on. Shift
// and scratch have the order of load_unordered_pair().
template <int Pairs, class Scalar>
void add_columns(const Scalar* column, std::int64_t rows, std::int64_t stride, const float* shift, float* first,
                 float* second, const char* ahead) {
  constexpr std::int64_t kColumnBytes = Pairs * kPair * sizeof(Scalar);
  constexpr int kVectors = 2 * Pairs;
  FloatVec center[kVectors], sums[kVectors], squares[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    center[v] = FloatVec::loadu(shift + v * kLanes);
    sums[v] = FloatVec::loadu(first + v * kLanes);
    squares[v] = FloatVec::loadu(second + v * kLanes);
  }
  for (std::int64_t r = 0; r < rows; ++r) {
    const Scalar* from = column + r * stride;
    fetch(ahead + r * kColumnBytes, kColumnBytes);
    for (int p = 0; p < Pairs; ++p) {
      const VecPair x = load_unordered_pair(from + p * kPair);
      const FloatVec low = x.low - center[2 * p], high = x.high - center[2 * p + 1];
      sums[2 * p] = sums[2 * p] + low;
      sums[2 * p + 1] = sums[2 * p + 1] + high;
      squares[2 * p] = at::vec::fmadd(low, low, squares[2 * p]);
      squares[2 * p + 1] = at::vec::fmadd(high, high, squares[2 * p + 1]);
    }
  }
  for (int v = 0; v < kVectors; ++v) {
    sums[v].store(first + v * kLanes);
    squares[v].store(second + v * kLanes);
  }
}

// One group of `rows` rows of a channels-last block.
template <class Scalar>
void add_row_group(const Scalar* row, std::int64_t rows, std::int64_t stride, std::int64_t width, const float* shift,
                   Scratch scratch) {
  constexpr int kPairs = 2;  // shift, sums and squares of them take 12 registers
  const char* ahead = reinterpret_cast<const char*>(row + rows * stride);
  std::int64_t c = 0;
  for (; c + kPairs * kPair <= width; c += kPairs * kPair) {
    add_columns<kPairs>(row + c, rows, stride, shift + c, scratch.first + c, scratch.second + c, ahead);
    ahead += rows * kPairs * kPair * static_cast<std::int64_t>(sizeof(Scalar));
  }
  for (; c + kPair <= width; c += kPair) {
    add_columns<1>(row + c, rows, stride, shift + c, scratch.first + c, scratch.second + c, ahead);
  }
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t k = c; k < width; ++k) {
      const float d = static_cast<float>(row[r * stride + k]) - shift[k];
      scratch.first[k] += d;
      scratch.second[k] += d * d;
    }
  }
}

// Calls use(place, channel) for every channel of a row: where it stands in the order of load_unordered_pair().
template <class Scalar, class Use>
void each_place(std::int64_t width, const Use& use) {
  std::int64_t c = 0;
  for (; c + kPair <= width; c += kPair) {
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      use(c + lane, c + kUnorderedStep<Scalar> * lane);
      use(c + kLanes + lane, c + unordered_high<Scalar>(lane));
    }
  }
  for (; c < width; ++c) use(c, c);
}

// [outer, channels, 1]: channels lie side by side.
template <class Scalar>
void add_rows(const Scalar* data, const ChannelBlock& block, const float* shift, Scratch scratch, double* first,
              double* second) {
  const std::int64_t width = block.channel_end - block.channel_begin;
  const auto row_bytes = static_cast<std::int64_t>(sizeof(Scalar)) * block.channels;
  const std::int64_t group = std::clamp(kRowGroupBytes / row_bytes, std::int64_t{1}, kMostRows);
  first += block.channel_begin;
  second += block.channel_begin;
  float* ordered_shift = scratch.second + width;
  each_place<Scalar>(
      width, [&](std::int64_t place, std::int64_t c) { ordered_shift[place] = shift[block.channel_begin + c]; });
  for (std::int64_t begin = block.outer_begin; begin < block.outer_end; begin += kValuesPerLane) {
    const std::int64_t end = std::min(begin + kValuesPerLane, block.outer_end);
    std::fill(scratch.first, scratch.first + width, 0.f);
    std::fill(scratch.second, scratch.second + width, 0.f);
    for (std::int64_t r = begin; r < end; r += group) {
      add_row_group(data + r * block.channels + block.channel_begin, std::min(group, end - r), block.channels, width,
                    ordered_shift, scratch);
    }
    each_place<Scalar>(width, [&](std::int64_t place, std::int64_t c) {
      first[c] += scratch.first[place];
      second[c] += scratch.second[place];
    });
  }
}

template <class Scalar>
void affine_run(const Scalar* data, std::int64_t count, float center, float offset, float slope, Scalar* output) {
  const FloatVec centers(center), offsets(offset), slopes(slope);
  std::int64_t i = 0;
  for (; i + kPair <= count; i += kPair) {
    const VecPair x = load_pair(data + i);
    store_pair({at::vec::fmadd(slopes, x.low - centers, offsets), at::vec::fmadd(slopes, x.high - centers, offsets)},
               output + i);
  }
  for (; i < count; ++i) output[i] = Scalar(offset + slope * (static_cast<float>(data[i]) - center));
}

template <class Scalar>
void affine_row(const Scalar* data, std::int64_t count, const float* center, const float* offset, const float* slope,
                Scalar* output) {
  std::int64_t i = 0;
  for (; i + kPair <= count; i += kPair) {
    const VecPair x = load_pair(data + i), centers = load_pair(center + i);
    const VecPair offsets = load_pair(offset + i), slopes = load_pair(slope + i);
    store_pair({at::vec::fmadd(slopes.low, x.low - centers.low, offsets.low),
                at::vec::fmadd(slopes.high, x.high - centers.high, offsets.high)},
               output + i);
  }
  for (; i < count; ++i) output[i] = Scalar(offset[i] + slope[i] * (static_cast<float>(data[i]) - center[i]));
}

}  // namespace

std::int64_t scratch_floats(std::int64_t channels, std::int64_t inner) {
  return (inner == 1 ? 3 : 2 * kLanes) * channels;
}

template <class Scalar>
void add_shifted_sums(const Scalar* data, const ChannelBlock& block, const float* shift, float* scratch, double* first,
                      double* second) {
  const std::int64_t width = block.channel_end - block.channel_begin;
  if (block.inner == 1) {
    add_rows(data, block, shift, {scratch, scratch + width}, first, second);
  } else {
    add_planes(data, block, shift, {scratch, scratch + kLanes * width}, first, second);
  }
}

template <class Scalar>
void add_row(const Scalar* row, std::int64_t count, float factor, float* sums) {
  const FloatVec factors(factor);
  std::int64_t i = 0;
  for (; i + kPair <= count; i += kPair) {
    const VecPair x = load_pair(row + i), sum = load_pair(sums + i);
    store_pair({at::vec::fmadd(factors, x.low, sum.low), at::vec::fmadd(factors, x.high, sum.high)}, sums + i);
  }
  for (; i < count; ++i) sums[i] += factor * static_cast<float>(row[i]);
}

template <class Scalar>
void apply_channel_affine(const Scalar* data, const ChannelBlock& block, const float* center, const float* offset,
                          const float* slope, Scalar* output) {
  const std::int64_t width = block.channel_end - block.channel_begin;
  for (std::int64_t o = block.outer_begin; o < block.outer_end; ++o) {
    const std::int64_t row = (o * block.channels + block.channel_begin) * block.inner;
    if (block.inner == 1) {
      affine_row(data + row, width, center + block.channel_begin, offset + block.channel_begin,
                 slope + block.channel_begin, output + row);
      continue;
    }
    for (std::int64_t c = 0; c < width; ++c) {
      const std::int64_t channel = block.channel_begin + c, run = row + c * block.inner;
      affine_run(data + run, block.inner, center[channel], offset[channel], slope[channel], output + run);
    }
  }
}

template void add_shifted_sums(const float*, const ChannelBlock&, const float*, float*, double*, double*);
template void add_shifted_sums(const c10::BFloat16*, const ChannelBlock&, const float*, float*, double*, double*);
template void add_row(const float*, std::int64_t, float, float*);
template void add_row(const c10::BFloat16*, std::int64_t, float, float*);
template void apply_channel_affine(const float*, const ChannelBlock&, const float*, const float*, const float*, float*);
template void apply_channel_affine(const c10::BFloat16*, const ChannelBlock&, const float*, const float*, const float*,
                                   c10::BFloat16*);

}  // namespace drystill::kernels::cpu
