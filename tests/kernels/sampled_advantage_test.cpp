#include "kernels/sampled_advantage.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/multinomial.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "core/error.h"
#include "core/seeds.h"
#include "kernels/token_divergence.h"
#include "tests/kernels/matchers.h"
#include "tests/support/gradient_check.h"

namespace drystill::kernels {
namespace {

using drystill::testing::near;

torch::Tensor draws(std::vector<std::int64_t> shape, const std::string& name) {
  SeedStreams seeds(16);
  return at::randn(shape, seeds.cpu_stream(name), torch::kFloat64);
}

torch::Tensor tokens(std::initializer_list<double> values) {
  return torch::tensor(std::vector<double>(values), torch::kFloat64).unsqueeze(0);
}

TEST(SampledAdvantage, ByHand) {
  const torch::Tensor sampler = tokens({-1, -2, -5, -3, -1}), teacher = tokens({-2, -1, 7, -5, -1.5});
  const torch::Tensor mask = tokens({1, 1, 0, 1, 1});
  const auto advantage = [&](const SampledAdvantageOptions& options) {
    return sampled_advantage(sampler, teacher, mask, options);
  };
  EXPECT_TRUE(near(advantage({}), tokens({-1, 1, 0, -2, -.5}), 1e-15));
  EXPECT_TRUE(near(advantage({.coefficient = .5, .reward_clip = .75}), tokens({-.5, .5, 0, -.75, -.25}), 1e-15));
  EXPECT_TRUE(near(advantage({.discount = 1}), tokens({-2.5, -1.5, 0, -2.5, -.5}), 1e-15));
  // The token outside the mask takes no time.
  EXPECT_TRUE(
      near(advantage({.discount = .5}), tokens({-1 + .5 * (1 - .5 * 2.25), 1 - .5 * 2.25, 0, -2.25, -.5}), 1e-15));
  EXPECT_TRUE(near(advantage({.discount = 1, .normalise_by_length = true}),
                   tokens({-2.5 / 4, -1.5 / 3, 0, -2.5 / 2, -.5}), 1e-15));
  const torch::Tensor white = advantage({.whiten = true});
  EXPECT_NEAR(white.sum().item<double>(), 0, 1e-12);
  EXPECT_NEAR(white.square().sum().item<double>() / 4, 1, 1e-6);
  EXPECT_EQ(white[0][2].item<double>(), 0);
}

TEST(SampledAdvantage, OutsideTheMaskNothingIsRead) {
  const torch::Tensor sampler = tokens({-1, NAN, -INFINITY}), teacher = tokens({-2, NAN, NAN}),
                      mask = tokens({1, 0, 0});
  for (const bool whiten : {false, true}) {
    const SampledAdvantageOptions options{.discount = 1, .normalise_by_length = true, .whiten = whiten};
    const torch::Tensor advantage = sampled_advantage(sampler, teacher, mask, options);
    EXPECT_TRUE(near(advantage, tokens({whiten ? 0. : -1., 0, 0}), 1e-15));
    const torch::Tensor log_probs = sampler.clone().requires_grad_();
    for (const auto surrogate :
         {PolicySurrogate::kImportanceSampling, PolicySurrogate::kPpo, PolicySurrogate::kScoreFunction}) {
      const torch::Tensor loss =
          policy_loss(log_probs, sampler, at::full_like(advantage, 2), mask, {.surrogate = surrogate});
      EXPECT_TRUE(near(torch::autograd::grad({loss}, {log_probs})[0], tokens({-2, 0, 0}), 1e-14));
    }
  }
  EXPECT_EQ(policy_loss(sampler, sampler, sampler, tokens({0, 0, 0}), {}).item<double>(), 0);
}

TEST(PolicyLoss, ByHand) {
  const double up = std::log(3.), down = std::log(.5);
  const torch::Tensor sampler = tokens({-4, -4, -4, -4});
  const torch::Tensor log_probs = (sampler + tokens({up, up, down, down})).requires_grad_();
  const torch::Tensor advantages = tokens({1, -1, 1, -1}), mask = tokens({1, 1, 1, 1});
  const auto check = [&](const SampledAdvantageOptions& options, double loss, const torch::Tensor& gradient) {
    const torch::Tensor actual = policy_loss(log_probs, sampler, advantages, mask, options, 2);
    EXPECT_NEAR(actual.item<double>(), loss, 1e-12);
    EXPECT_TRUE(near(torch::autograd::grad({actual}, {log_probs})[0], gradient, 1e-12)) << enum_name(options.surrogate);
  };
  check({.importance_clip = 0}, 0, tokens({-1.5, 1.5, -.25, .25}));
  check({.importance_clip = 2}, 0, tokens({0, 0, -.25, .25}));
  // ppo: a good token beyond 1 + clip and a bad one below 1 - clip have been moved enough.
  check({.surrogate = PolicySurrogate::kPpo, .ppo_clip = .2}, -(1.2 - 3 + .5 - .8) / 2, tokens({0, 1.5, -.25, 0}));
  check({.surrogate = PolicySurrogate::kScoreFunction, .importance_clip = 2}, -(2 * up - 2 * up + 0) / 2,
        tokens({-1, 1, -.25, .25}));
}

TEST(PolicyLoss, GradientInFloat64) {
  const torch::Tensor sampler = draws({2, 5}, "sampler"), advantages = draws({2, 5}, "advantages");
  for (const auto surrogate : {PolicySurrogate::kImportanceSampling, PolicySurrogate::kPpo}) {
    const auto function = [&](const std::vector<torch::Tensor>& inputs) {
      return policy_loss(inputs[0], sampler, advantages, at::ones({2, 5}), {.surrogate = surrogate}, 7);
    };
    EXPECT_EQ(testing::gradient_mismatch(function, {draws({2, 5}, "log_probs").requires_grad_()}), "");
  }
}

TEST(PolicyLoss, MeanOfSampledGradientsIsTheFullVocabularyGradient) {
  const torch::Tensor student = draws({1, 6}, "student").requires_grad_(), teacher = draws({1, 6}, "teacher");
  const torch::Tensor exact = torch::autograd::grad(
      {token_divergence(student, teacher, {.kind = TokenDivergenceKind::kReverseKl}).sum()}, {student})[0];
  constexpr std::int64_t kSamples = 200'000;
  SeedStreams seeds(17);
  const torch::Tensor log_p = at::log_softmax(student, 1), log_q = at::log_softmax(teacher, 1);
  const torch::Tensor words = at::multinomial(log_p.exp().detach(), kSamples, true, seeds.cpu_stream("words"));
  const torch::Tensor of_student = log_p.gather(1, words), of_teacher = log_q.gather(1, words),
                      mask = at::ones_like(words);
  for (const auto surrogate :
       {PolicySurrogate::kImportanceSampling, PolicySurrogate::kPpo, PolicySurrogate::kScoreFunction}) {
    const SampledAdvantageOptions options{.surrogate = surrogate};
    const torch::Tensor sampler = of_student.detach();
    const torch::Tensor advantage = sampled_advantage(sampler, of_teacher, mask, options);
    const torch::Tensor loss = policy_loss(of_student, sampler, advantage, mask, options, kSamples);
    const torch::Tensor sampled = torch::autograd::grad({loss}, {student}, {}, true)[0];
    EXPECT_TRUE(near(sampled, exact, 6e-3)) << enum_name(surrogate);
  }
  EXPECT_GT(exact.abs().max().item<double>(), .05);
  // k3 estimates the KL itself.
  const torch::Tensor kl = (log_p.exp() * (log_p - log_q)).sum();
  EXPECT_TRUE(near(reverse_kl_estimate(of_student, of_teacher, mask).mean(), kl.detach(), 1e-2));
}

// A language model of 3 words whose next-word logits depend on everything before: one row of logits a context.
struct TinyModel {
  torch::Tensor logits;  // [1 + 3 + 9, 3]

  // Log-probabilities [27, 3] of every sequence of three words.
  torch::Tensor sequence_log_probs() const {
    const torch::Tensor log_p = at::log_softmax(logits, 1);
    std::vector<torch::Tensor> rows;
    for (std::int64_t i = 0; i < 27; ++i) {
      const std::int64_t a = i / 9, b = i / 3 % 3, c = i % 3;
      rows.push_back(at::stack({log_p[0][a], log_p[1 + a][b], log_p[4 + 3 * a + b][c]}));
    }
    return at::stack(rows);
  }
};

TEST(PolicyLoss, EnumeratedSequencesGiveTheExactGradients) {
  const TinyModel student{draws({13, 3}, "student").requires_grad_()}, teacher{draws({13, 3}, "teacher")};
  const torch::Tensor log_p = student.sequence_log_probs(), log_q = teacher.sequence_log_probs();
  const torch::Tensor probability = log_p.sum(1).exp().detach();  // [27]
  const torch::Tensor exact =
      torch::autograd::grad({(log_p.sum(1).exp() * (log_p - log_q).sum(1)).sum()}, {student.logits}, {}, true)[0];

  // Expected gradient of the estimator: every sequence, weighted by its probability.
  const auto expected_gradient = [&](double discount) {
    const SampledAdvantageOptions options{.discount = discount, .surrogate = PolicySurrogate::kScoreFunction};
    const torch::Tensor mask = at::ones_like(log_p);
    const torch::Tensor advantage = sampled_advantage(log_p.detach(), log_q, mask, options);
    const torch::Tensor loss = policy_loss(log_p, log_p.detach(), advantage * probability.unsqueeze(1), mask, options);
    return torch::autograd::grad({loss}, {student.logits}, {}, true)[0];
  };
  EXPECT_TRUE(near(expected_gradient(1), exact, 1e-14));

  // discount 0: the divergence of every token over the vocabulary, contexts weighted by how often they come.
  const torch::Tensor reach = at::zeros({13}, torch::kFloat64);
  for (std::int64_t i = 0; i < 27; ++i) {
    for (const std::int64_t context : {std::int64_t{0}, 1 + i / 9, 4 + i / 3}) reach[context] += probability[i];
  }
  const torch::Tensor per_token = torch::autograd::grad(
      {token_divergence(student.logits, teacher.logits, {.kind = TokenDivergenceKind::kReverseKl}, reach).sum()},
      {student.logits})[0];
  EXPECT_TRUE(near(expected_gradient(0), per_token, 1e-14));
  EXPECT_GT((expected_gradient(0) - exact).abs().max().item<double>(), 1e-2);  // it is another gradient
}

TEST(SampledAdvantage, RefusesWhatDoesNotFit) {
  const torch::Tensor two = at::zeros({2, 3});
  EXPECT_THROW(sampled_advantage(two, at::zeros({3, 2}), two, {}), InputError);
  EXPECT_THROW(sampled_advantage(two, two, {}, {}), InputError);
  EXPECT_THROW(sampled_advantage(at::zeros({3}), at::zeros({3}), at::zeros({3}), {}), InputError);
  EXPECT_THROW(policy_loss(two, two, two, two, {}, 0), ConfigError);
  EXPECT_THROW(reverse_kl_estimate(two, two, at::zeros({2, 4})), InputError);
}

}  // namespace
}  // namespace drystill::kernels
