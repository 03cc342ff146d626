// The prefix that seeks disagreement, in worlds so small that every text can be enumerated.
#include "generator/rollouts/adversarial_prefix.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/multinomial.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "core/error.h"
#include "tests/generator/rollouts/fakes.h"

namespace drystill::generator {
namespace {

using testing::FakeActor;
using testing::Tokens;

const Tokens kPrompt = {0, 1};
const Tokens kStart = {1, 0, 1};

// A teacher of `words` words, and every completion of `length` of them with the reward that somebody gives it.
struct TinyWorld {
  TinyWorld(std::int64_t words, std::int64_t length) {
    auto options = drystill::testing::tiny_transformer(2);
    options.vocab_size = words;
    options.bos_token = {};
    options.eos_tokens = {};
    teacher = std::make_shared<language::CausalLm>(options);
    teacher->initialise(at::detail::createCPUGenerator(3));
    const torch::NoGradGuard no_grad;
    for (torch::Tensor& parameter : teacher->parameters()) {
      if (parameter.dim() == 2) parameter.mul_(8);
    }
    teacher->freeze();
    texts = {{}};
    for (std::int64_t t = 0; t < length; ++t) {
      std::vector<Tokens> longer;
      for (const Tokens& text : texts) {
        for (std::int64_t word = 0; word < words; ++word) {
          longer.push_back(text);
          longer.back().push_back(word);
        }
      }
      texts = std::move(longer);
    }
  }

  // log p of every token of every text at a temperature -> [texts, length], differentiable in the prefix.
  torch::Tensor log_probabilities(const language::KvPrefix* prefix, double temperature) const {
    std::vector<torch::Tensor> rows;
    for (const Tokens& text : texts) {
      const language::PromptedCompletion one{.prompt = kPrompt, .completion = text};
      const auto view = language::pack({&one, 1}, torch::kCPU);
      language::PrefixKeyValues before;
      if (prefix != nullptr) before = prefix->key_values();
      const torch::Tensor hidden = teacher->hidden(view.tokens, {.prefix = prefix != nullptr ? &before : nullptr});
      const torch::Tensor log_p =
          (teacher->head(language::predicting_states(hidden, view)) / temperature).log_softmax(1);
      rows.push_back(log_p.gather(1, at::tensor(text, torch::kInt64).unsqueeze(1)).squeeze(1));
    }
    return at::stack(rows);
  }

  double disagreement(std::size_t text) const { return std::sin(3.0 * static_cast<double>(text)) + 1; }

  AdversarialSample sample(std::size_t text, std::int64_t group = 0) const {
    return {.prompt = kPrompt, .completion = texts[text], .group = group, .disagreement = disagreement(text)};
  }

  std::shared_ptr<language::CausalLm> teacher;
  std::vector<Tokens> texts;
};

torch::Tensor flat(const std::vector<torch::Tensor>& tensors) {
  std::vector<torch::Tensor> parts;
  for (const torch::Tensor& tensor : tensors) parts.push_back(tensor.reshape({-1}).to(torch::kDouble));
  return at::cat(parts);
}

AdversarialPrefixOptions options_with(double fluency, double entropy) {
  return {.length = std::ssize(kStart), .fluency = fluency, .entropy = entropy};
}

// Mean of many estimates against the gradient of the enumerated expectation: no further off than chance.
void expect_unbiased(const TinyWorld& world, const AdversarialPrefixOptions& options, double temperature,
                     std::int64_t group) {
  const AdversarialPrefix adversary(options, *world.teacher, kStart);
  const torch::Tensor log_pi = world.log_probabilities(&adversary.prefix(), temperature);
  const torch::Tensor plain = world.log_probabilities(nullptr, 1).detach();
  const torch::Tensor probabilities = log_pi.sum(1).exp();
  std::vector<double> disagreements;
  for (std::size_t i = 0; i < world.texts.size(); ++i) disagreements.push_back(world.disagreement(i));
  const torch::Tensor rewards = at::tensor(disagreements) + options.fluency * plain.mean(1);
  torch::Tensor objective = (probabilities * rewards).sum();
  // Of one token the entropy is the policy's own; longer texts are tried without it.
  if (options.entropy > 0) objective = objective - options.entropy * (probabilities * log_pi.sum(1)).sum();
  const torch::Tensor exact = flat(torch::autograd::grad({-objective}, adversary.prefix().parameters()));

  constexpr int kEstimates = 300, kSamples = 8;
  at::Generator random = at::detail::createCPUGenerator(7);
  std::vector<torch::Tensor> estimates;
  for (int i = 0; i < kEstimates; ++i) {
    const torch::Tensor drawn = at::multinomial(probabilities.detach(), kSamples, /*replacement=*/true, random);
    std::vector<AdversarialSample> samples;
    for (int k = 0; k < kSamples; ++k) {
      samples.push_back(world.sample(static_cast<std::size_t>(drawn[k].item<std::int64_t>()), k / group));
    }
    estimates.push_back(flat(adversary.gradient(samples, temperature).gradients));
  }
  const torch::Tensor all = at::stack(estimates);
  const torch::Tensor mean = all.mean(0);
  const double chance = (all.var(0).sum() / kEstimates).item<double>();  // E |mean - exact|^2 of an unbiased estimate
  const double error = (mean - exact).square().sum().item<double>(), size = exact.square().sum().item<double>();
  EXPECT_LT(error, 4 * chance);
  EXPECT_LT(error, 0.1 * size) << "too few estimates to tell";
}

TEST(AdversarialPrefix, GradientIsThatOfTheEnumeratedExpectation) {
  expect_unbiased(TinyWorld(3, 2), options_with(0.4, 0), 1, 8);
  expect_unbiased(TinyWorld(3, 2), options_with(0.4, 0), 1.5, 4);
  expect_unbiased(TinyWorld(3, 2), options_with(0, 0), 1, 1);  // a prompt each: the baseline is all others
  expect_unbiased(TinyWorld(4, 1), options_with(0.4, 0.5), 1, 8);
}

double probability(const TinyWorld& world, const AdversarialPrefix& adversary, std::size_t text) {
  const torch::NoGradGuard no_grad;
  return world.log_probabilities(&adversary.prefix(), 1).sum(1).exp()[static_cast<std::int64_t>(text)].item<double>();
}

// Two words; one of them brings more. Its probability rises with every step that has seen both.
TEST(AdversarialPrefix, RaisesTheProbabilityOfTheGreaterReward) {
  const TinyWorld world(2, 1);
  for (const std::size_t better : {0, 1}) {
    AdversarialPrefix adversary(options_with(0, 0), *world.teacher, kStart);
    auto good = world.sample(better), bad = world.sample(1 - better);
    good.disagreement = 2;
    bad.disagreement = 1;
    double before = probability(world, adversary, better);
    const double first = before;
    for (int step = 0; step < 40; ++step) {
      const auto report = adversary.learn(std::vector{good, bad}, 1);
      EXPECT_DOUBLE_EQ(report.reward, 1.5);
      const double after = probability(world, adversary, better);
      EXPECT_GT(after, before);
      before = after;
    }
    EXPECT_GT(before, first + 0.05);
  }
}

TEST(AdversarialPrefix, EntropyBonusFlattens) {
  const TinyWorld world(2, 1);
  auto options = options_with(0, 1);
  AdversarialPrefix adversary(options, *world.teacher, kStart);
  const double first = std::abs(probability(world, adversary, 0) - 0.5);
  double entropy = 0;
  for (int step = 0; step < 60; ++step) {
    auto a = world.sample(0), b = world.sample(1);
    a.disagreement = b.disagreement = 1;
    entropy = adversary.learn(std::vector{a, b}, 1).entropy;
  }
  EXPECT_LT(std::abs(probability(world, adversary, 0) - 0.5), 0.5 * first);
  EXPECT_NEAR(entropy, std::log(2.0), 0.1);
}

TEST(AdversarialPrefix, ReportsWhatThePlainTeacherThinks) {
  const TinyWorld world(3, 2);
  AdversarialPrefix adversary(options_with(0.5, 0), *world.teacher, kStart);
  const std::vector<AdversarialSample> samples = {world.sample(1), world.sample(7)};
  const torch::Tensor plain = -world.log_probabilities(nullptr, 1).mean(1);
  const auto report = adversary.gradient(samples, 1).report;
  const double surprise = (plain[1].item<double>() + plain[7].item<double>()) / 2;
  EXPECT_NEAR(report.surprise, surprise, 1e-5);
  EXPECT_NEAR(report.disagreement, (world.disagreement(1) + world.disagreement(7)) / 2, 1e-9);
  EXPECT_NEAR(report.reward, report.disagreement - 0.5 * surprise, 1e-5);
}

TEST(AdversarialPrefix, MicroBatchesAndPaddingDoNotChangeTheGradient) {
  const TinyWorld world(3, 3);
  auto whole = options_with(0.5, 0.3), parts = whole;
  parts.micro_batch = 1;
  std::vector<AdversarialSample> samples;
  for (const std::size_t text : {0, 5, 11, 26}) samples.push_back(world.sample(text));
  samples[1].completion.resize(1);
  samples[2].greedy_tokens = 2;
  const auto a = AdversarialPrefix(whole, *world.teacher, kStart).gradient(samples, 1);
  const auto b = AdversarialPrefix(parts, *world.teacher, kStart).gradient(samples, 1);
  EXPECT_LT((flat(a.gradients) - flat(b.gradients)).abs().max().item<double>(), 1e-6);
  EXPECT_NEAR(a.report.entropy, b.report.entropy, 1e-6);
}

TEST(AdversarialPrefix, GreedyTokensAreNoDraws) {
  const TinyWorld world(3, 2);
  const AdversarialPrefix adversary(options_with(0.5, 0.3), *world.teacher, kStart);
  std::vector<AdversarialSample> samples = {world.sample(1), world.sample(7)};
  for (AdversarialSample& sample : samples) sample.greedy_tokens = 2;
  EXPECT_EQ(flat(adversary.gradient(samples, 1).gradients).abs().max().item<double>(), 0);
  EXPECT_EQ(flat(adversary.gradient({samples.data(), 1}, 1).gradients).abs().max().item<double>(), 0);
}

TEST(AdversarialPrefix, RefusesARewardThatIsNotFinite) {
  const TinyWorld world(2, 1);
  AdversarialPrefix adversary(options_with(0, 0), *world.teacher, kStart);
  auto sample = world.sample(0);
  sample.disagreement = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(adversary.learn(std::vector{sample, world.sample(1)}, 1), DivergedError);
}

TEST(AdversarialPrefix, GoesOnWhereItWas) {
  const TinyWorld world(3, 2);
  const auto options = options_with(0.5, 0.1);
  AdversarialPrefix straight(options, *world.teacher, kStart), resumed(options, *world.teacher, {0, 0, 0});
  const std::vector<AdversarialSample> samples = {world.sample(1), world.sample(4), world.sample(8)};
  for (int i = 0; i < 3; ++i) straight.learn(samples, 1);
  State state;
  straight.save(StateWriter(state).part("adversary"));
  resumed.load(StateReader(state).part("adversary"));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(straight.learn(samples, 1).reward, resumed.learn(samples, 1).reward);
    for (std::size_t k = 0; k < straight.prefix().parameters().size(); ++k) {
      EXPECT_TRUE(straight.prefix().parameters()[k].equal(resumed.prefix().parameters()[k]));
    }
  }
}

TEST(LeaveOneOutAdvantages, TakeTheOthersOfTheirPrompt) {
  const std::vector<double> rewards = {1, 2, 6, 10};
  using List = std::vector<double>;
  using Groups = std::vector<std::int64_t>;
  EXPECT_EQ(leave_one_out_advantages(rewards, Groups{0, 0, 1, 1}), (List{-1, 1, -4, 4}));
  EXPECT_EQ(leave_one_out_advantages(rewards, Groups{0, 0, 0, 0}), (List{1 - 6.0, 2 - 17.0 / 3, 6 - 13.0 / 3, 7}));
  // Alone in its group: all others of the draw.
  EXPECT_EQ(leave_one_out_advantages(rewards, Groups{0, 0, 1, 2}), (List{-1, 1, 6 - 13.0 / 3, 7}));
  EXPECT_EQ(leave_one_out_advantages(List{3}, Groups{0}), List{0});
  EXPECT_EQ(leave_one_out_advantages(List{}, Groups{}), List{});
}

TEST(AdversarialStart, IsWhatTheTeacherWrites) {
  const auto encoder = testing::tiny_encoder();
  FakeActor teacher(testing::endless);
  SeedStreams seeds(1);
  EXPECT_EQ(adversarial_start(teacher, encoder, 4, seeds), (Tokens{testing::kBeginOfText, 'a', 'a', 'a'}));
  ASSERT_EQ(teacher.calls.size(), 1U);
  EXPECT_EQ(teacher.calls[0].options.min_new_tokens, 3);
  EXPECT_EQ(adversarial_start(teacher, encoder, 1, seeds), Tokens{testing::kBeginOfText});
}

}  // namespace
}  // namespace drystill::generator
