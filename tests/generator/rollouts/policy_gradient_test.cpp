#include "generator/rollouts/policy_gradient.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "tests/generator/rollouts/fakes.h"

namespace drystill::generator {
namespace {

struct Case {
  explicit Case(std::int64_t rows, std::int64_t words = 33, std::uint64_t seed = 1) {
    at::Generator random = at::detail::createCPUGenerator(seed);
    policy.hidden = at::randn({rows, 7}, random);
    policy.weight = at::randn({words, 7}, random);
    policy.tokens = at::randint(0, words, {rows}, random, torch::kInt64);
    policy.temperature = 0.7;
    advantages = at::randn({rows}, random);
    entropy_weights = at::rand({rows}, random);
  }
  PolicyTokens policy;
  torch::Tensor advantages, entropy_weights;
};

double difference(const torch::Tensor& a, const torch::Tensor& b) {
  return a.numel() == 0 ? 0 : (a - b).abs().max().item<double>();
}

TEST(PolicyGradient, EqualsAutogradOfItsFormula) {
  for (const std::int64_t rows : {1, 31, 32, 33}) {
    const Case c(rows);
    for (const std::int64_t chunk : {0, 1, 5, 32}) {
      const auto found = policy_gradient(c.policy, c.advantages, c.entropy_weights, chunk);
      const torch::Tensor hidden = c.policy.hidden.detach().to(torch::kDouble).requires_grad_();
      const torch::Tensor log_p =
          (at::matmul(hidden, c.policy.weight.t().to(torch::kDouble)) / c.policy.temperature).log_softmax(1);
      const torch::Tensor chosen = log_p.gather(1, c.policy.tokens.unsqueeze(1)).squeeze(1);
      const torch::Tensor entropies = -(log_p.exp() * log_p).sum(1);
      const torch::Tensor loss = -(c.advantages * chosen + c.entropy_weights * entropies).sum();
      EXPECT_LT(difference(found.log_probabilities, chosen), 1e-5);
      EXPECT_LT(difference(found.entropies, entropies), 1e-5);
      EXPECT_LT(difference(found.hidden_gradient, torch::autograd::grad({loss}, {hidden})[0]), 1e-5);
    }
  }
}

// Rows that stand for no word were never drawn, however likely their logits make them.
TEST(PolicyGradient, KnowsThatPaddingIsNotWritten) {
  const language::PromptEncoder encoder = testing::tiny_encoder();
  const std::int64_t words = encoder.tokenizer().vocab_size();
  Case whole(9, words), padded(9, words);
  padded.policy.weight = at::cat({whole.policy.weight, 3 * at::ones({30, 7})});
  const auto expected = policy_gradient(whole.policy, whole.advantages, whole.entropy_weights);
  const auto blind = policy_gradient(padded.policy, whole.advantages, whole.entropy_weights);
  padded.policy.writable = language::WritableIds(encoder.tokenizer());
  const auto found = policy_gradient(padded.policy, whole.advantages, whole.entropy_weights);
  EXPECT_GT(difference(blind.hidden_gradient, expected.hidden_gradient), 0.1);
  EXPECT_LT(difference(found.hidden_gradient, expected.hidden_gradient), 1e-5);
  EXPECT_LT(difference(found.log_probabilities, expected.log_probabilities), 1e-5);
  EXPECT_LT(difference(found.entropies, expected.entropies), 1e-5);
}

TEST(PolicyGradient, OfNoTokensIsEmpty) {
  const Case c(0);
  const auto found = policy_gradient(c.policy, c.advantages, c.entropy_weights);
  EXPECT_EQ(found.log_probabilities.numel(), 0);
  EXPECT_EQ(found.hidden_gradient.sizes(), (std::vector<std::int64_t>{0, 7}));
}

// A word that cannot be drawn has no part in the entropy, and no NaN.
TEST(PolicyGradient, StandsCertainty) {
  Case c(3);
  c.policy.hidden *= 1e4;
  const auto found = policy_gradient(c.policy, c.advantages, c.entropy_weights);
  EXPECT_TRUE(found.entropies.isfinite().all().item<bool>());
  EXPECT_TRUE(found.hidden_gradient.isfinite().all().item<bool>());
  EXPECT_LT(found.entropies.abs().max().item<double>(), 1e-3);
}

TEST(PolicyGradient, KeepsBfloat16) {
  const Case exact(33);
  Case rounded(33);
  rounded.policy.hidden = rounded.policy.hidden.to(torch::kBFloat16);
  const auto found = policy_gradient(rounded.policy, rounded.advantages, rounded.entropy_weights);
  const auto expected = policy_gradient(exact.policy, exact.advantages, exact.entropy_weights);
  EXPECT_EQ(found.hidden_gradient.scalar_type(), torch::kBFloat16);
  EXPECT_EQ(found.log_probabilities.scalar_type(), torch::kFloat32);
  EXPECT_LT((found.hidden_gradient - expected.hidden_gradient).norm().item<double>(),
            0.05 * expected.hidden_gradient.norm().item<double>());
}

}  // namespace
}  // namespace drystill::generator
