#include "language/sampling/sampler.h"

#include <ATen/ops/argmax.h>
#include <ATen/ops/full.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/seeds.h"
#include "io/safetensors.h"

namespace drystill::language {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

torch::Tensor random_logits(std::int64_t rows, std::int64_t vocabulary) {
  SeedStreams seeds(31);
  return 3 * at::randn({rows, vocabulary}, seeds.cpu_stream("logits"), torch::kFloat32);
}

std::vector<Draw> draws_of(std::int64_t rows, std::int64_t step = 0, bool forbid_stop = false) {
  std::vector<Draw> draws;
  for (std::int64_t i = 0; i < rows; ++i) draws.push_back({i, step, forbid_stop});
  return draws;
}

SampledTokens sample(const SamplingOptions& options, const torch::Tensor& logits, const std::vector<Draw>& draws) {
  return Sampler(options, {}).sample(logits, draws);
}

// Samples each row `count` times; every log-probability must be that of `expected`, a log-distribution [N, V] with
// minus infinity where nothing may be sampled, and the frequencies must be its probabilities.
void expect_distribution(const SamplingOptions& options, const torch::Tensor& logits, const torch::Tensor& expected,
                         std::int64_t count) {
  const Sampler sampler(options, {});
  const std::int64_t rows = logits.size(0);
  const torch::Tensor raw = at::log_softmax(logits, 1);
  torch::Tensor frequency = at::zeros_like(expected);
  for (std::int64_t step = 0; step < count; ++step) {
    const SampledTokens drawn = sampler.sample(logits, draws_of(rows, step));
    for (std::int64_t i = 0; i < rows; ++i) {
      const auto id = drawn.ids[i].item<std::int64_t>();
      ASSERT_NEAR(drawn.log_probs[i].item<float>(), expected[i][id].item<float>(), 2e-5) << "row " << i << " id " << id;
      ASSERT_NEAR(drawn.raw_log_probs[i].item<float>(), raw[i][id].item<float>(), 2e-5) << "row " << i << " id " << id;
      frequency[i][id] += 1.f / static_cast<float>(count);
    }
  }
  const torch::Tensor p = expected.exp();
  // Expected total variation of `count` draws is at most sum sqrt(p (1 - p) / count) / 2; three times that is rare.
  const torch::Tensor distance = (frequency - p).abs().sum(1) / 2;
  const torch::Tensor bound = 1.5 * (p * (1 - p) / static_cast<double>(count)).sqrt().sum(1) + 1e-4;
  EXPECT_TRUE((distance < bound).all().item<bool>()) << distance << bound;
}

TEST(Sampler, DistributionsOfTransformers) {
  const auto golden = io::read_safetensors(DRYSTILL_GOLDEN_DIR "/language/sampling.safetensors").tensors;
  int cases = 0;
  for (const auto& [name, expected] : golden) {
    if (name == "logits") continue;
    SCOPED_TRACE(name);
    SamplingOptions options;
    long long top_k = 0;
    ASSERT_EQ(
        std::sscanf(name.c_str(), "%lf_%lld_%lf_%lf", &options.temperature, &top_k, &options.top_p, &options.min_p), 4);
    options.top_k = top_k;
    expect_distribution(options, golden.at("logits"), expected, 300);
    ++cases;
  }
  EXPECT_EQ(cases, 12);
}

TEST(Sampler, EveryVocabularySizeAroundABlock) {
  for (const std::int64_t vocabulary : {1, 2, 127, 128, 129, 1000}) {
    SCOPED_TRACE(vocabulary);
    const torch::Tensor logits = random_logits(2, vocabulary);
    for (const double temperature : {0.5, 1.0}) {
      expect_distribution({.temperature = temperature}, logits, at::log_softmax(logits / temperature, 1), 200);
    }
    const SampledTokens one = sample({.top_k = 1}, logits, draws_of(2));
    EXPECT_TRUE(one.ids.equal(logits.argmax(1)));
    EXPECT_EQ(one.log_probs.abs().max().item<float>(), 0);
  }
}

TEST(Sampler, FrequenciesAreProbabilities) {
  const torch::Tensor logits = random_logits(1, 40);
  expect_distribution({.temperature = 0.7}, logits, at::log_softmax(logits / 0.7, 1), 20000);
}

TEST(Sampler, TemperatureZeroTakesTheFirstOfTheMostLikely) {
  torch::Tensor logits = random_logits(3, 500);
  logits[1][77] = logits[1][400] = 50;
  logits[2].fill_(1);
  const SampledTokens drawn = sample({.temperature = 0, .top_k = 3, .top_p = 0.5}, logits, draws_of(3));
  EXPECT_EQ(drawn.ids[0].item<std::int64_t>(), logits[0].argmax().item<std::int64_t>());
  EXPECT_EQ(drawn.ids[1].item<std::int64_t>(), 77);
  EXPECT_EQ(drawn.ids[2].item<std::int64_t>(), 0);
  EXPECT_EQ(drawn.log_probs.abs().max().item<float>(), 0);
  EXPECT_NEAR(drawn.raw_log_probs[2].item<float>(), -std::log(500.f), 1e-5);
}

TEST(Sampler, ATinyTemperatureIsGreedy) {
  const torch::Tensor logits = random_logits(4, 300);
  const SampledTokens drawn = sample({.temperature = 1e-310}, logits, draws_of(4));
  EXPECT_TRUE(drawn.ids.equal(logits.argmax(1)));
  EXPECT_EQ(drawn.log_probs.abs().max().item<float>(), 0);
}

// 1 / temperature is no float any more; what is forbidden has a probability of 0 all the same.
TEST(Sampler, AHugeTemperatureIsUniformOverWhatIsAllowed) {
  torch::Tensor logits = random_logits(1, 300);
  logits.slice(1, 2, 140).fill_(-kInfinity);
  logits.slice(1, 141, 300).fill_(-kInfinity);
  for (const double temperature : {1e20, 1e35, 1e46, 1e300}) {
    SCOPED_TRACE(temperature);
    const Sampler sampler({.temperature = temperature}, {140});
    for (std::int64_t step = 0; step < 20; ++step) {
      for (const bool forbid : {false, true}) {
        const SampledTokens drawn = sampler.sample(logits, draws_of(1, step, forbid));
        const auto id = drawn.ids.item<std::int64_t>();
        EXPECT_TRUE(id == 0 || id == 1 || (id == 140 && !forbid)) << id;
        EXPECT_NEAR(drawn.log_probs.item<float>(), forbid ? -std::log(2.f) : -std::log(3.f), 1e-5);
      }
    }
  }
}

TEST(Sampler, TheBatchDoesNotMatter) {
  const torch::Tensor logits = random_logits(9, 700);
  const SamplingOptions options{.temperature = 0.9, .top_p = 0.95, .seed = 3};
  const SampledTokens together = sample(options, logits, draws_of(9, 4));
  for (std::int64_t i = 8; i >= 0; --i) {
    const SampledTokens alone = sample(options, logits.slice(0, i, i + 1), {{i, 4}});
    EXPECT_EQ(alone.ids.item<std::int64_t>(), together.ids[i].item<std::int64_t>());
    EXPECT_EQ(alone.log_probs.item<float>(), together.log_probs[i].item<float>());
  }
  EXPECT_FALSE(sample(options, logits, draws_of(9, 5)).ids.equal(together.ids));
  SamplingOptions other = options;
  other.seed = 4;
  EXPECT_FALSE(sample(other, logits, draws_of(9, 4)).ids.equal(together.ids));
}

TEST(Sampler, ForbiddenStopsAreNeverSampled) {
  torch::Tensor logits = random_logits(2, 260);
  logits.select(1, 259).fill_(9);
  logits.select(1, 3).fill_(12);
  const torch::Tensor before = logits.clone();
  const Sampler sampler({.temperature = 0.8}, {3, 259, -1, 9999});
  torch::Tensor allowed = logits.clone();
  allowed.select(1, 3).fill_(-kInfinity);
  allowed.select(1, 259).fill_(-kInfinity);
  const torch::Tensor expected = at::log_softmax(allowed / 0.8, 1), raw = at::log_softmax(logits, 1);
  for (std::int64_t step = 0; step < 50; ++step) {
    const SampledTokens drawn = sampler.sample(logits, draws_of(2, step, true));
    for (std::int64_t i = 0; i < 2; ++i) {
      const auto id = drawn.ids[i].item<std::int64_t>();
      ASSERT_NE(id, 3);
      ASSERT_NE(id, 259);
      EXPECT_NEAR(drawn.log_probs[i].item<float>(), expected[i][id].item<float>(), 2e-5);
      EXPECT_NEAR(drawn.raw_log_probs[i].item<float>(), raw[i][id].item<float>(), 2e-5);
    }
  }
  EXPECT_TRUE(logits.equal(before));
  EXPECT_EQ(Sampler({.temperature = 0}, {3, 259}).sample(logits, draws_of(2)).ids[0].item<std::int64_t>(), 3);
}

TEST(Sampler, MaskedLogitsAndOtherTypes) {
  torch::Tensor logits = at::full({1, 300}, -kInfinity);
  logits[0][299] = 2;
  logits[0][5] = 1;
  for (const SamplingOptions& options : {SamplingOptions{}, SamplingOptions{.top_k = 50},
                                         SamplingOptions{.top_p = 0.999}, SamplingOptions{.min_p = 0.01}}) {
    const SampledTokens drawn = sample(options, logits.to(torch::kBFloat16), {{0, 1}});
    const auto id = drawn.ids.item<std::int64_t>();
    EXPECT_TRUE(id == 299 || id == 5) << id;
    EXPECT_NEAR(drawn.log_probs.item<float>(), id == 5 ? -1.3132617f : -0.3132617f, 1e-5);
  }
}

TEST(Sampler, PhiloxKnownAnswers) {
  // Random123's kat_vectors, philox4x32 10: key and counter 0 give 6627e8d5 e169c58d bc57ac4c 9b00dbd8; the uniform
  // uses the first two words.
  const std::uint64_t bits = (std::uint64_t{0xe169c58d} << 32 | 0x6627e8d5) >> 11;
  EXPECT_EQ(uniform_draw(0, 0, 0), (static_cast<double>(bits) + 0.5) * 0x1p-53);
  EXPECT_NE(uniform_draw(0, 1, 0), uniform_draw(0, 0, 1));
}

TEST(Sampler, RefusesWhatDoesNotFit) {
  const torch::Tensor logits = random_logits(2, 50);
  EXPECT_THROW(sample({}, logits, draws_of(3)), InputError);
  EXPECT_THROW(sample({}, logits[0], draws_of(1)), InputError);
  EXPECT_THROW(sample({}, {}, draws_of(1)), InputError);
  for (const float bad : {std::nanf(""), kInfinity}) {
    torch::Tensor broken = logits.clone();
    broken[1][49] = bad;
    EXPECT_THROW(sample({}, broken, draws_of(2)), DivergedError);
    EXPECT_THROW(sample({.temperature = 0}, broken, draws_of(2)), DivergedError);
  }
  EXPECT_THROW(sample({}, at::full({1, 5}, -kInfinity), draws_of(1)), DivergedError);
  for (const SamplingOptions& options :
       {SamplingOptions{.temperature = -1}, SamplingOptions{.temperature = std::nan("")}, SamplingOptions{.top_k = -1},
        SamplingOptions{.top_p = 0}, SamplingOptions{.top_p = 1.5}, SamplingOptions{.min_p = 2},
        SamplingOptions{.max_new_tokens = 0}, SamplingOptions{.max_new_tokens = 2, .min_new_tokens = 3},
        SamplingOptions{.temperature = std::numeric_limits<double>::infinity()}, SamplingOptions{.loop_repeats = 1},
        SamplingOptions{.stop_strings = {""}}}) {
    EXPECT_THROW(check_sampling_options(options), ConfigError);
  }
  EXPECT_NO_THROW(check_sampling_options({}));
}

}  // namespace
}  // namespace drystill::language
