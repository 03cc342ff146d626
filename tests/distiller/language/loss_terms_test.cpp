#include "distiller/language/loss_terms.h"

#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <cmath>

#include "kernels/sampled_advantage.h"
#include "kernels/universal_logit.h"

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

    const auto own = token_log_probs({.heads = {{hidden, weight}}, .shares = {1}}, tokens);
    const auto of_teacher = token_log_probs({.heads = {{teacher_hidden, teacher_weight}}, .shares = {1}}, tokens);
    const auto known = sampler_log_probs(kSequences, own);
    const auto weights = policy_weights(
        own, known, distiller::advantages(known, known, of_teacher, kSequences, options), kSequences, options);
    cross_entropy({hidden, weight}, tokens, weights, 5).loss.backward();
    EXPECT_LT((hidden.grad() - expected_hidden).abs().max().item<double>(), 1e-5);
    EXPECT_LT((weight.grad() - expected_weight).abs().max().item<double>(), 1e-5);
    EXPECT_GT(expected_hidden.abs().max().item<double>(), 1e-3);
  }
}

// Every token that a mixture may draw, as often as it draws it: weighted by its importance the gradient is that of the
// student's own expectation, whoever sampled.
TEST(PolicyWeights, ImportanceGivesTheStudentsOwnGradient) {
  constexpr std::int64_t kWords = 7;
  auto random = at::detail::createCPUGenerator(5);
  auto hidden = at::randn({1, 6}, random).requires_grad_(), weight = at::randn({kWords, 6}, random).requires_grad_();
  const auto advantages = at::randn({kWords}, random);
  const auto teacher = at::randn({kWords}, random).softmax(0);
  const auto student = at::linear(hidden, weight).softmax(1)[0];
  const auto policy = student.detach(), mixture = 0.4 * teacher + 0.6 * policy;
  (-(student * advantages).sum()).backward();
  const auto expected_hidden = hidden.grad().clone(), expected_weight = weight.grad().clone();

  std::vector<Sequence> sequences;
  for (std::int64_t word = 0; word < kWords; ++word) {
    sequences.push_back({.teacher_prompt = {1},
                         .student_prompt = {1},
                         .completion = {word},
                         .sampler_log_probabilities = {policy[word].log().item<float>()},
                         .importance = {(policy[word] / mixture[word]).item<float>()}});
  }
  const auto gradient_error = [&](std::span<const Sequence> drawn) {
    hidden.mutable_grad().reset();
    weight.mutable_grad().reset();
    const auto weights = policy_weights(policy.log(), policy.log(), advantages, drawn, {});
    cross_entropy({hidden.expand({kWords, 6}), weight}, torch::arange(kWords), weights * mixture, 1).loss.backward();
    return std::max((hidden.grad() - expected_hidden).abs().max().item<double>(),
                    (weight.grad() - expected_weight).abs().max().item<double>());
  };
  EXPECT_LT(gradient_error(sequences), 1e-5);
  for (Sequence& sequence : sequences) sequence.importance.clear();
  EXPECT_GT(gradient_error(sequences), 1e-2);
}

// What was taken greedily had probability 1: no choice, whatever the teacher thinks of it. Later tokens do not notice.
TEST(PolicyWeights, GreedyTokensAreNoChoice) {
  auto greedy = kSequences;
  greedy[1].sampler_log_probabilities[0] = 0;
  const auto own = torch::tensor({-1.F, -1.5F, -0.7F, -2.F, -0.5F}),
             teacher = torch::tensor({-2.F, -1.F, -3.F, -1.F, -2.F});
  const kernels::SampledAdvantageOptions options{.discount = 0.5};
  const auto weights_of = [&](std::span<const Sequence> sequences) {
    const auto known = sampler_log_probs(sequences, own);
    return policy_weights(own, known, advantages(known, known, teacher, sequences, options), sequences, options);
  };
  const auto with = weights_of(greedy), without = weights_of(kSequences);
  EXPECT_EQ(with[2].item<double>(), 0);
  EXPECT_NE(without[2].item<double>(), 0);
  for (const std::int64_t t : {0, 1, 3, 4}) EXPECT_EQ(with[t].item<double>(), without[t].item<double>()) << t;
}

// Drawn at another temperature, a student that is the teacher has nothing to gain: the reward is of what it thinks, not
// of what it was drawn from.
TEST(Advantages, AStudentThatIsTheTeacherHasNone) {
  auto drawn = kSequences;
  drawn[0].sampler_log_probabilities = {-0.8F, -0.9F};
  drawn[0].own_log_probabilities = {-1.F, -1.5F};
  drawn[1].own_log_probabilities = {-0.7F, -2.F, -0.5F};
  const auto teacher = torch::tensor({-1.F, -1.5F, -0.7F, -2.F, -0.5F});
  const auto sampler = sampler_log_probs(drawn, {}), author = author_log_probs(drawn, {});
  EXPECT_TRUE(author.equal(teacher));
  EXPECT_EQ(advantages(sampler, author, teacher, drawn, {}).abs().max().item<double>(), 0);
  EXPECT_GT(advantages(sampler, sampler, teacher, drawn, {}).abs().max().item<double>(), 0.1);
  drawn[0].own_log_probabilities.clear();  // drawn from the model as it is
  EXPECT_TRUE(author_log_probs(drawn, {}).narrow(0, 0, 2).equal(sampler.narrow(0, 0, 2)));
}

// p_student / p_author: where a mixture wrote, by way of the student of then.
TEST(ClippedImportance, IsOfTheAuthor) {
  const std::vector<Sequence> mixed = {{.teacher_prompt = {1},
                                        .student_prompt = {1},
                                        .completion = {0, 3},
                                        .sampler_log_probabilities = {std::log(0.1F), std::log(0.4F)},
                                        .importance = {0.2F, 2.F}}};
  const auto now = torch::tensor({std::log(0.2F), std::log(0.8F)});
  const auto ratio = clipped_importance(now, mixed, 3);
  EXPECT_NEAR(ratio[0].item<double>(), 0.4, 1e-6);  // 0.2 / 0.5
  EXPECT_NEAR(ratio[1].item<double>(), 3, 1e-6);    // 0.8 / 0.2 = 4, cut
}

TEST(TokenLogProbs, OfTwoHeadsAreOfTheirMeanProbability) {
  auto random = at::detail::createCPUGenerator(3);
  const auto tokens = torch::tensor({0, 3, 4, 2, 1}, torch::kInt64);
  const kernels::HeadMixture mixture{.heads = {{at::randn({5, 6}, random), at::randn({7, 6}, random)},
                                               {at::randn({5, 4}, random), at::randn({7, 4}, random)}},
                                     .shares = {1, 3}};
  torch::Tensor mean = torch::zeros({5, 7});
  for (std::size_t i = 0; i < 2; ++i) {
    const auto& [hidden, weight] = mixture.heads[i];
    mean = mean + at::linear(hidden, weight).softmax(1) * (mixture.shares[i] / 4);
  }
  const auto expected = mean.gather(1, tokens.unsqueeze(1)).squeeze(1).log();
  EXPECT_LT((token_log_probs(mixture, tokens) - expected).abs().max().item<double>(), 1e-5);
}

// Value and gradients, against autograd through the whole logits; one token has no counterpart, one no weight.
TEST(UniversalLogit, IsTheKernelOnTheComparedTokens) {
  auto random = at::detail::createCPUGenerator(4);
  const auto teacher_hidden = at::randn({4, 3}, random), teacher_weight = at::randn({9, 3}, random);
  const auto weights = torch::tensor({1.F, 2.F, 0.F, 1.F, 0.5F});
  const auto student_places = torch::tensor({0, 1, 2, 4}), teacher_places = torch::tensor({3, 1, 0, 2});
  const UniversalLogitOptions options{.weight = 1, .temperature = 1.5};
  torch::Tensor gradients[2][2], losses[2];
  const auto hidden = at::randn({5, 6}, random), weight = at::randn({7, 6}, random);
  for (const int way : {0, 1}) {
    auto h = hidden.clone().requires_grad_(), w = weight.clone().requires_grad_();
    if (way == 0) {
      const auto distance = kernels::universal_logit_distance(
          at::linear(h, w).index_select(0, student_places),
          at::linear(teacher_hidden, teacher_weight).index_select(0, teacher_places), 1.5);
      losses[way] = (distance * weights.index_select(0, student_places)).sum() / 4;
    } else {
      PredictedTokens predicted;
      predicted.student = {h, w};
      predicted.teacher.head = {.heads = {{teacher_hidden, teacher_weight}}, .shares = {1}};
      predicted.student_places = student_places;
      predicted.teacher_places = teacher_places;
      const auto term = universal_logit(predicted, options, weights, 4);
      losses[way] = term.loss;
      EXPECT_EQ(term.token_losses[3].item<double>(), 0);
      EXPECT_GT(term.token_losses[4].item<double>(), 0);
    }
    losses[way].backward();
    gradients[way][0] = h.grad();
    gradients[way][1] = w.grad();
  }
  EXPECT_NEAR(losses[0].item<double>(), losses[1].item<double>(), 1e-6);
  for (const int i : {0, 1}) EXPECT_LT((gradients[0][i] - gradients[1][i]).abs().max().item<double>(), 1e-6);
  EXPECT_GT(gradients[0][0].abs().max().item<double>(), 1e-3);
}

}  // namespace
}  // namespace drystill::distiller
