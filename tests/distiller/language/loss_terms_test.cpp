#include "distiller/language/loss_terms.h"

#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include "kernels/sampled_advantage.h"

namespace drystill::distiller {
namespace {

const std::vector<Sequence> kSequences = {
    {.teacher_prompt = {1}, .student_prompt = {1}, .completion = {0, 3}},
    {.teacher_prompt = {1},
     .student_prompt = {1},
     .completion = {4, 2, 1},
     .sampler_log_probabilities = {-1.F, -2.F, -0.5F}},
};

TEST(ToRows, FillsUpAndComesBack) {
  const auto values = torch::tensor({1., 2., 3., 4., 5.});
  const auto rows = to_rows(values, kSequences);
  EXPECT_TRUE(rows.equal(torch::tensor({{1., 2., 0.}, {3., 4., 5.}})));
  EXPECT_TRUE(from_rows(rows, kSequences).equal(values));
}

TEST(CrossEntropy, IsMinusLogProbability) {
  auto random = at::detail::createCPUGenerator(1);
  const auto hidden = at::randn({5, 6}, random), weight = at::randn({7, 6}, random);
  const auto tokens = torch::tensor({0, 3, 4, 2, 1}, torch::kInt64);
  const auto expected = at::cross_entropy_loss(at::linear(hidden, weight), tokens, {}, at::Reduction::None);
  const auto term = cross_entropy({hidden, weight}, tokens, torch::ones({5}), 5);
  EXPECT_LT((term.token_losses - expected).abs().max().item<double>(), 1e-5);
  EXPECT_NEAR(term.loss.item<double>(), expected.mean().item<double>(), 1e-5);
}

// The weights turn the cross entropy into the policy gradient: compared with autograd through the policy loss itself.
TEST(PolicyWeights, GiveTheGradientOfThePolicyLoss) {
  auto random = at::detail::createCPUGenerator(2);
  const auto teacher_hidden = at::randn({5, 6}, random), teacher_weight = at::randn({7, 6}, random);
  const auto tokens = torch::tensor({0, 3, 4, 2, 1}, torch::kInt64);
  for (const auto surrogate : {kernels::PolicySurrogate::kImportanceSampling, kernels::PolicySurrogate::kPpo,
                               kernels::PolicySurrogate::kScoreFunction}) {
    kernels::SampledAdvantageOptions options;
    options.surrogate = surrogate;
    options.discount = 0.5;
    auto hidden = at::randn({5, 6}, random).requires_grad_(), weight = at::randn({7, 6}, random).requires_grad_();
    const PredictedTokens predicted{
        .student = {hidden, weight}, .teacher = {teacher_hidden, teacher_weight}, .tokens = tokens};

    const auto picked = [&](const torch::Tensor& h, const torch::Tensor& w) {
      return at::linear(h, w).log_softmax(1).gather(1, tokens.unsqueeze(1)).squeeze(1);
    };
    const auto student = picked(hidden, weight), teacher = picked(teacher_hidden, teacher_weight);
    auto sampler = to_rows(student.detach(), kSequences);
    sampler[1] = torch::tensor({-1.F, -2.F, -0.5F});
    const auto mask = to_rows(torch::ones({5}), kSequences);
    const auto advantages = kernels::sampled_advantage(sampler, to_rows(teacher, kSequences), mask, options);
    kernels::policy_loss(to_rows(student, kSequences), sampler, advantages, mask, options, 5).backward();
    const auto expected_hidden = hidden.grad().clone(), expected_weight = weight.grad().clone();
    hidden.mutable_grad().reset();
    weight.mutable_grad().reset();

    cross_entropy(predicted.student, tokens, policy_weights(predicted, kSequences, options), 5).loss.backward();
    EXPECT_LT((hidden.grad() - expected_hidden).abs().max().item<double>(), 1e-5);
    EXPECT_LT((weight.grad() - expected_weight).abs().max().item<double>(), 1e-5);
    EXPECT_GT(expected_hidden.abs().max().item<double>(), 1e-3);
  }
}

}  // namespace
}  // namespace drystill::distiller
