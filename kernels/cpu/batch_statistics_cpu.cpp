#include <ATen/EmptyTensor.h>
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <vector>

#include "kernels/batch_statistics_parts.h"
#include "kernels/cpu/batch_statistics_vec.h"

namespace drystill::kernels::cpu {
namespace {

// The work is cut by the shape alone, never by the number of threads, and partial sums are merged in this order: any
// number of threads gives the same bits.
constexpr std::int64_t kMostTasks = 64;
// Enough that emptying the partial sums, some for each channel, costs nothing beside the reads.
constexpr std::int64_t kValuesPerTask = 1 << 17;
constexpr std::int64_t kValuesPerChannel = 512;

struct Grid {
  ChannelLayout layout;
  std::int64_t outer_blocks, channel_blocks;

  explicit Grid(const ChannelLayout& shape) : layout(shape) {
    const std::int64_t values = shape.outer * shape.channels * shape.inner;
    const std::int64_t least = std::max(kValuesPerTask, kValuesPerChannel * shape.channels);
    const std::int64_t tasks = std::clamp(values / least, std::int64_t{1}, kMostTasks);
    outer_blocks = std::min(shape.outer, tasks);
    // Few samples (an image, a single batch row): cut the channels too, in runs long enough to stream.
    const std::int64_t wanted = (tasks + outer_blocks - 1) / outer_blocks;
    const std::int64_t line = shape.inner == 1 ? 64 : 1;  // channels side by side: whole cache lines for each task
    channel_blocks = std::clamp(shape.channels / line, std::int64_t{1}, wanted);
  }

  std::int64_t tasks() const { return outer_blocks * channel_blocks; }

  ChannelBlock block(std::int64_t task) const {
    const std::int64_t o = task / channel_blocks, c = task % channel_blocks;
    const auto cut = [](std::int64_t total, std::int64_t parts, std::int64_t part) { return total * part / parts; };
    return {layout.channels,
            layout.inner,
            cut(layout.outer, outer_blocks, o),
            cut(layout.outer, outer_blocks, o + 1),
            cut(layout.channels, channel_blocks, c),
            cut(layout.channels, channel_blocks, c + 1)};
  }

  template <class Task>
  void run(const Task& task) const {
    at::parallel_for(0, tasks(), 1, task);
  }
};

// A shift ten standard deviations off costs two of seven digits: beyond that, the pass runs again.
constexpr double kCancellation = 1e-2;

// A guess at each channel's mean from up to sixteen of its values, read in memory order.
template <class Scalar>
std::vector<float> sample_means(const Scalar* data, const ChannelLayout& layout) {
  constexpr std::int64_t kSample = 16;
  const std::int64_t run = std::min(layout.inner, kSample);
  const std::int64_t rows = std::min(layout.outer, kSample / run);
  const float share = 1.0F / static_cast<float>(rows * run);
  std::vector<float> means(layout.channels);
  const auto start = [&](std::int64_t r) {
    return data + layout.outer * r / rows * layout.channels * layout.inner + (layout.inner - run) / 2;
  };
  // Each row stands in a page of its own: all are asked for at once, not one after the other.
  constexpr std::int64_t kLine = 64 / sizeof(Scalar);
  for (std::int64_t r = 0; r < rows && layout.inner == 1; ++r) {
    for (std::int64_t c = 0; c < layout.channels; c += kLine) __builtin_prefetch(start(r) + c);
  }
  for (std::int64_t r = 0; r < rows; ++r) {
    const Scalar* row = start(r);
    if (layout.inner == 1) {
      add_row(row, layout.channels, share, means.data());
      continue;
    }
    for (std::int64_t i = 0; i < run; ++i) {  // outside: sums of one channel would wait for each other
      for (std::int64_t c = 0; c < layout.channels; ++c) {
        means[c] += share * static_cast<float>(row[c * layout.inner + i]);
      }
    }
  }
  return means;
}

struct Moments {
  std::vector<double> mean, squares;  // squares: sum of (x - mean)^2
  bool ill_conditioned = false;       // some channel's shift was so far off that digits were lost
};

template <class Scalar>
Moments shifted_moments(const Scalar* data, const Grid& grid, const std::vector<float>& shift) {
  const std::int64_t channels = grid.layout.channels;
  std::vector<double> first(grid.outer_blocks * channels), second(grid.outer_blocks * channels);
  grid.run([&](std::int64_t begin, std::int64_t end) {
    const auto scratch = std::make_unique_for_overwrite<float[]>(scratch_floats(channels, grid.layout.inner));
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t row = task / grid.channel_blocks * channels;
      add_shifted_sums(data, grid.block(task), shift.data(), scratch.get(), first.data() + row, second.data() + row);
    }
  });

  const double count = static_cast<double>(grid.layout.values_per_channel());
  Moments moments{std::vector<double>(channels), std::vector<double>(channels)};
  for (std::int64_t o = 1; o < grid.outer_blocks; ++o) {
    for (std::int64_t c = 0; c < channels; ++c) {
      first[c] += first[o * channels + c];
      second[c] += second[o * channels + c];
    }
  }
  for (std::int64_t c = 0; c < channels; ++c) {
    const double total = first[c], total_of_squares = second[c];
    const double squares = total_of_squares - total * total / count;
    moments.mean[c] = shift[c] + total / count;
    moments.squares[c] = squares < 0 ? 0 : squares;  // keeps NaN
    moments.ill_conditioned |= squares < kCancellation * total_of_squares;
  }
  return moments;
}

template <class Scalar>
BatchStatistics statistics(const DenseInput& input) {
  const Grid grid(input.layout);
  const Scalar* data = input.tensor.const_data_ptr<Scalar>();
  Moments moments = shifted_moments(data, grid, sample_means(data, input.layout));
  if (moments.ill_conditioned) {
    moments = shifted_moments(data, grid, std::vector<float>(moments.mean.begin(), moments.mean.end()));
  }

  // Not at::empty: its way through the dispatcher, cold between other kernels, takes as long as reading 200 KB.
  const std::array<std::int64_t, 1> shape = {input.layout.channels};
  BatchStatistics result{at::detail::empty_cpu(shape, torch::kFloat32), at::detail::empty_cpu(shape, torch::kFloat32)};
  const double count = static_cast<double>(input.layout.values_per_channel());
  float* mean = result.mean.mutable_data_ptr<float>();
  float* variance = result.variance.mutable_data_ptr<float>();
  for (std::int64_t c = 0; c < input.layout.channels; ++c) {
    mean[c] = static_cast<float>(moments.mean[c]);
    variance[c] = static_cast<float>(moments.squares[c] / count);
  }
  return result;
}

template <class Scalar>
torch::Tensor affine(const DenseInput& input, const float* center, const float* offset, const float* slope) {
  torch::Tensor output = at::empty_like(input.tensor);
  const Grid grid(input.layout);
  const Scalar* from = input.tensor.const_data_ptr<Scalar>();
  Scalar* to = output.mutable_data_ptr<Scalar>();
  grid.run([&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t task = begin; task < end; ++task) {
      apply_channel_affine(from, grid.block(task), center, offset, slope, to);
    }
  });
  return output;
}

}  // namespace

BatchStatistics batch_statistics(const DenseInput& input) {
  return input.tensor.scalar_type() == torch::kBFloat16 ? statistics<c10::BFloat16>(input) : statistics<float>(input);
}

DistanceTerms distance_terms(const BatchStatistics& batch, const torch::Tensor& running_mean,
                             const torch::Tensor& running_variance, std::int64_t count) {
  const std::int64_t channels = batch.mean.numel();
  const torch::Tensor expected_mean = running_mean.contiguous(), expected_variance = running_variance.contiguous();
  DistanceTerms terms{at::empty({}, batch.mean.options()), at::empty_like(batch.mean), at::empty_like(batch.mean)};

  // || expected - actual ||, and its gradient with respect to `actual` divided by `count`.
  const auto root = [&](const torch::Tensor& expected, const torch::Tensor& actual, double factor,
                        torch::Tensor& slope) {
    const float* e = expected.const_data_ptr<float>();
    const float* a = actual.const_data_ptr<float>();
    float* s = slope.mutable_data_ptr<float>();
    double squares = 0;
    for (std::int64_t c = 0; c < channels; ++c) squares += (double{e[c]} - a[c]) * (double{e[c]} - a[c]);
    const double norm = std::sqrt(squares);
    const double scale = norm == 0 ? 0 : factor / (norm * static_cast<double>(count));
    for (std::int64_t c = 0; c < channels; ++c) s[c] = static_cast<float>(scale * (double{a[c]} - e[c]));
    return norm;
  };
  const double distance =
      root(expected_variance, batch.variance, 2, terms.slope) + root(expected_mean, batch.mean, 1, terms.offset);
  *terms.distance.mutable_data_ptr<float>() = static_cast<float>(distance);
  return terms;
}

torch::Tensor channel_affine(const DenseInput& input, const torch::Tensor& center, const torch::Tensor& offset,
                             const torch::Tensor& slope, const torch::Tensor& scale) {
  const torch::Tensor centers = center.contiguous();
  const torch::Tensor offsets = (offset * scale).contiguous(), slopes = (slope * scale).contiguous();
  const auto apply = input.tensor.scalar_type() == torch::kBFloat16 ? affine<c10::BFloat16> : affine<float>;
  return apply(input, centers.const_data_ptr<float>(), offsets.const_data_ptr<float>(), slopes.const_data_ptr<float>());
}

}  // namespace drystill::kernels::cpu
