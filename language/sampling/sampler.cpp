#include "language/sampling/sampler.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <c10/util/StringUtil.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "core/error.h"
#include "kernels/logit_blocks.h"
#include "language/sampling/logit_sum.h"

namespace drystill::language {
namespace {

constexpr float kNothing = -std::numeric_limits<float>::infinity();
// Inverse temperatures. Above, the largest logit would be 0 * infinity; below, which is 0 as a float, a forbidden one.
constexpr double kHottest = 1e-30, kColdest = 1e30;
constexpr std::int64_t kFirstCandidates = 64;  // top_p alone looks at so many first, then at eight times as many

struct Candidate {
  float logit;
  std::int64_t id;
  bool operator<(const Candidate& other) const {  // best first; equal ones by id, so that the order is defined
    return logit != other.logit ? logit > other.logit : id < other.id;
  }
};

// One row of logits with its blocks.
struct LogitRow {
  const float* logits;
  const float* maxima;
  const float* tempered_sums;
  std::int64_t vocabulary, blocks;
  double inverse_temperature;
  float largest;

  double weight(float logit) const {
    return std::exp((static_cast<double>(logit) - static_cast<double>(largest)) * inverse_temperature);
  }
  double block_weight(std::int64_t block) const {
    return maxima[block] == kNothing ? 0 : static_cast<double>(tempered_sums[block]) * weight(maxima[block]);
  }
  double total_weight() const {
    double total = 0;
    for (std::int64_t block = 0; block < blocks; ++block) total += block_weight(block);
    return total;
  }
  std::pair<std::int64_t, std::int64_t> range(std::int64_t block) const {
    const std::int64_t first = block * kernels::kLogitBlock;
    return {first, std::min(first + kernels::kLogitBlock, vocabulary)};
  }
};

struct Choice {
  std::int64_t id;
  double log_prob;
};

std::int64_t most_likely(const LogitRow& row) {
  const auto block = std::find(row.maxima, row.maxima + row.blocks, row.largest) - row.maxima;
  const auto [first, end] = row.range(block);
  return std::find(row.logits + first, row.logits + end, row.largest) - row.logits;
}

// Inverse of the cumulative distribution over all ids: blocks first, then inside one.
Choice choose_among_all(const LogitRow& row, double uniform) {
  const double total = row.total_weight(), target = uniform * total;
  double passed = 0;
  std::int64_t block = 0, last = most_likely(row) / kernels::kLogitBlock;
  for (; block < row.blocks; ++block) {
    const double weight = row.block_weight(block);
    if (weight > 0) last = block;
    if (passed + weight > target) break;
    passed += weight;
  }
  const auto [first, end] = row.range(std::min(block, last));
  std::int64_t chosen = -1;
  for (std::int64_t id = first; id < end; ++id) {
    const double weight = row.weight(row.logits[id]);
    if (weight == 0) continue;
    chosen = id;  // rounding may leave the target just past the end of the block: then its last id
    passed += weight;
    if (passed > target) break;
  }
  const double above = (static_cast<double>(row.logits[chosen]) - static_cast<double>(row.largest));
  return {chosen, above * row.inverse_temperature - std::log(total)};
}

// All ids whose logit is at least `threshold`, best first. Blocks without one are not read.
std::vector<Candidate> at_least_logit(const LogitRow& row, float threshold) {
  std::vector<Candidate> found;
  for (std::int64_t block = 0; block < row.blocks; ++block) {
    if (row.maxima[block] < threshold || row.maxima[block] == kNothing) continue;
    const auto [first, end] = row.range(block);
    for (std::int64_t id = first; id < end; ++id) {
      if (row.logits[id] >= threshold && row.logits[id] != kNothing) found.push_back({row.logits[id], id});
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

// The `count` best ids, best first; fewer where fewer have any probability. The count-th largest maximum of a block is
// a threshold that at least `count` logits reach, and few more.
std::vector<Candidate> best(const LogitRow& row, std::int64_t count) {
  float threshold = kNothing;
  if (count <= row.blocks) {
    std::vector<float> maxima(row.maxima, row.maxima + row.blocks);
    std::nth_element(maxima.begin(), maxima.begin() + (count - 1), maxima.end(), std::greater<>());
    threshold = maxima[count - 1];
  }
  std::vector<Candidate> found = at_least_logit(row, threshold);
  if (static_cast<std::int64_t>(found.size()) > count) found.resize(count);
  return found;
}

double weight_of(const LogitRow& row, const std::vector<Candidate>& candidates) {
  double total = 0;
  for (const Candidate& candidate : candidates) total += row.weight(candidate.logit);
  return total;
}

// How many of the candidates top_p keeps: each before which less than top_p of `total` lies.
std::size_t nucleus_size(const LogitRow& row, const std::vector<Candidate>& candidates, double goal) {
  double passed = 0;
  std::size_t size = 0;
  while (size < candidates.size() && passed < goal) passed += row.weight(candidates[size++].logit);
  return passed < goal ? candidates.size() + 1 : size;  // one more than there are: not enough candidates
}

std::vector<Candidate> nucleus(const LogitRow& row, double top_p) {
  const double goal = top_p * row.total_weight();
  for (std::int64_t count = kFirstCandidates;; count *= 8) {
    std::vector<Candidate> candidates = best(row, std::min(count, row.vocabulary));
    const std::size_t size = nucleus_size(row, candidates, goal);
    if (size <= candidates.size() || static_cast<std::int64_t>(candidates.size()) < count) {
      candidates.resize(std::min(size, candidates.size()));
      return candidates;
    }
  }
}

std::vector<Candidate> truncated(const LogitRow& row, const SamplingOptions& options) {
  const double margin = std::log(options.min_p) / row.inverse_temperature;  // of the logits that min_p keeps
  const auto threshold = static_cast<float>(row.largest + margin);
  std::vector<Candidate> kept;
  if (options.top_k > 0) {
    kept = best(row, std::min(options.top_k, row.vocabulary));
    if (options.top_p < 1) {
      const std::size_t size = nucleus_size(row, kept, options.top_p * weight_of(row, kept));
      kept.resize(std::clamp<std::size_t>(size, 1, kept.size()));
    }
  } else if (options.top_p < 1) {
    kept = nucleus(row, options.top_p);
  } else {
    return at_least_logit(row, std::min(threshold, row.largest));
  }
  if (options.min_p > 0) {
    while (kept.size() > 1 && kept.back().logit < threshold) kept.pop_back();
  }
  return kept;
}

Choice choose_among(const LogitRow& row, const std::vector<Candidate>& candidates, double uniform) {
  const double total = weight_of(row, candidates), target = uniform * total;
  double passed = 0;
  std::size_t i = 0;
  for (; i + 1 < candidates.size(); ++i) {
    passed += row.weight(candidates[i].logit);
    if (passed > target) break;
  }
  const double above = static_cast<double>(candidates[i].logit) - static_cast<double>(row.largest);
  return {candidates[i].id, above * row.inverse_temperature - std::log(total)};
}

// One row as it is worked on; `tempered_sums` is null at temperatures 0 and 1.
struct RowBuffers {
  float *logits, *maxima, *sums, *tempered_sums;
  std::int64_t vocabulary, blocks;
  double inverse_temperature;
};

void ban(RowBuffers& row, const std::vector<std::int64_t>& ids) {
  for (const std::int64_t id : ids) {
    if (id < 0 || id >= row.vocabulary) continue;
    const std::int64_t block = id / kernels::kLogitBlock, first = block * kernels::kLogitBlock;
    row.logits[id] = kNothing;
    kernels::logit_blocks(row.logits + first, 1, std::min(kernels::kLogitBlock, row.vocabulary - first),
                          row.inverse_temperature, row.maxima + block, row.sums + block,
                          row.tempered_sums ? row.tempered_sums + block : nullptr);
  }
}

Choice choose(const RowBuffers& buffers, const SamplingOptions& options, const Draw& draw, double raw_sum) {
  const LogitRow row{.logits = buffers.logits,
                     .maxima = buffers.maxima,
                     .tempered_sums = buffers.tempered_sums ? buffers.tempered_sums : buffers.sums,
                     .vocabulary = buffers.vocabulary,
                     .blocks = buffers.blocks,
                     .inverse_temperature = buffers.inverse_temperature,
                     .largest = *std::max_element(buffers.maxima, buffers.maxima + buffers.blocks)};
  if (!std::isfinite(raw_sum) || !std::isfinite(row.largest)) {
    throw DivergedError(c10::str("[language.sampler] the logits of sequence ", draw.sequence, " at new token ",
                                 draw.step, " hold NaN or infinity, or leave no token to sample"));
  }
  if (options.temperature == 0) return {most_likely(row), 0};
  const double uniform = uniform_draw(static_cast<std::uint64_t>(options.seed),
                                      static_cast<std::uint64_t>(draw.sequence), static_cast<std::uint64_t>(draw.step));
  const bool truncates = options.top_k > 0 || options.top_p < 1 || options.min_p > 0;
  return truncates ? choose_among(row, truncated(row, options), uniform) : choose_among_all(row, uniform);
}

// Names the field that is outside its limits.
struct LimitCheck {
  void operator()(std::string_view name, double value, std::string_view /*help*/, const Limits& limits = {}) const {
    const bool above = limits.exclusive_minimum ? value > limits.minimum : value >= limits.minimum;
    if (above && value <= limits.maximum) return;
    throw ConfigError(c10::str("[language.sampling] '", name, "' is ", value, ", expected a number ",
                               limits.exclusive_minimum ? "above " : "of at least ", limits.minimum,
                               std::isfinite(limits.maximum) ? c10::str(" and at most ", limits.maximum) : ""));
  }
  template <class Value>
  void operator()(std::string_view, const Value&, std::string_view) const {}
};

}  // namespace

void check_sampling_options(const SamplingOptions& options) {
  SamplingOptions copy = options;
  copy.visit(LimitCheck{});
  if (!std::isfinite(options.temperature)) {
    throw ConfigError(
        c10::str("[language.sampling] 'temperature' is ", options.temperature, ", expected a finite number"));
  }
  for (const Problem& problem : options.problems()) {
    throw ConfigError(c10::str("[language.sampling] '", problem.field, "' ", problem.message));
  }
}

double uniform_draw(std::uint64_t seed, std::uint64_t sequence, std::uint64_t step) {
  std::array<std::uint32_t, 4> counter = {static_cast<std::uint32_t>(step), static_cast<std::uint32_t>(step >> 32),
                                          static_cast<std::uint32_t>(sequence),
                                          static_cast<std::uint32_t>(sequence >> 32)};
  auto low_key = static_cast<std::uint32_t>(seed), high_key = static_cast<std::uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t first = std::uint64_t{0xD2511F53} * counter[0], second = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<std::uint32_t>(second >> 32) ^ counter[1] ^ low_key, static_cast<std::uint32_t>(second),
               static_cast<std::uint32_t>(first >> 32) ^ counter[3] ^ high_key, static_cast<std::uint32_t>(first)};
    low_key += 0x9E3779B9;
    high_key += 0xBB67AE85;
  }
  const std::uint64_t bits = (std::uint64_t{counter[1]} << 32 | counter[0]) >> 11;
  return (static_cast<double>(bits) + 0.5) * 0x1p-53;
}

Sampler::Sampler(const SamplingOptions& options, std::vector<std::int64_t> stop_ids)
    : options_(options), stop_ids_(std::move(stop_ids)) {
  check_sampling_options(options);
}

SampledTokens Sampler::sample(const torch::Tensor& logits, std::span<const Draw> draws) const {
  const auto rows = static_cast<std::int64_t>(draws.size());
  if (!logits.defined() || logits.dim() != 2 || logits.size(0) != rows || logits.size(1) < 1 || !logits.is_cpu() ||
      !logits.is_floating_point()) {
    throw InputError(c10::str("[language.sampler] expected logits [", rows, ", V] on the CPU, got ",
                              logits.defined() ? c10::str(logits.sizes(), " on ", logits.device()) : "nothing"));
  }
  const std::int64_t vocabulary = logits.size(1), blocks = kernels::logit_block_count(vocabulary);
  torch::Tensor values = logits.detach().to(torch::kFloat32).contiguous();
  const bool bans =
      !stop_ids_.empty() && std::any_of(draws.begin(), draws.end(), [](const Draw& draw) { return draw.forbid_stop; });
  if (bans && values.const_data_ptr() == logits.const_data_ptr()) values = values.clone();

  const double temperature = options_.temperature;
  const bool tempered = temperature > 0 && temperature != 1;
  const double inverse_temperature = tempered ? std::clamp(1 / temperature, kHottest, kColdest) : 1;
  torch::Tensor maxima = at::empty({rows, blocks}, values.options()), sums = at::empty_like(maxima);
  torch::Tensor tempered_sums = tempered ? at::empty_like(maxima) : torch::Tensor();
  auto* all_tempered = tempered ? tempered_sums.mutable_data_ptr<float>() : nullptr;
  auto* all_values = bans ? values.mutable_data_ptr<float>() : const_cast<float*>(values.const_data_ptr<float>());
  auto *all_maxima = maxima.mutable_data_ptr<float>(), *all_sums = sums.mutable_data_ptr<float>();
  kernels::logit_blocks(all_values, rows, vocabulary, inverse_temperature, all_maxima, all_sums, all_tempered);

  SampledTokens result{at::empty({rows}, torch::kInt64), at::empty({rows}, torch::kFloat32),
                       at::empty({rows}, torch::kFloat32)};
  auto* ids = result.ids.mutable_data_ptr<std::int64_t>();
  auto* log_probs = result.log_probs.mutable_data_ptr<float>();
  auto* raw_log_probs = result.raw_log_probs.mutable_data_ptr<float>();
  at::parallel_for(0, rows, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      RowBuffers row{.logits = all_values + i * vocabulary,
                     .maxima = all_maxima + i * blocks,
                     .sums = all_sums + i * blocks,
                     .tempered_sums = tempered ? all_tempered + i * blocks : nullptr,
                     .vocabulary = vocabulary,
                     .blocks = blocks,
                     .inverse_temperature = inverse_temperature};
      const auto count = static_cast<std::size_t>(blocks);
      const double raw_sum = log_sum_of_blocks({row.maxima, count}, {row.sums, count});
      if (draws[i].forbid_stop) ban(row, stop_ids_);
      const Choice choice = choose(row, options_, draws[i], raw_sum);
      ids[i] = choice.id;
      log_probs[i] = static_cast<float>(choice.log_prob);
      raw_log_probs[i] = static_cast<float>(static_cast<double>(row.logits[choice.id]) - raw_sum);
    }
  });
  return result;
}

}  // namespace drystill::language
