#include <ATen/ops/arange.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/randperm.h>
#include <ATen/ops/topk.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "core/error.h"
#include "core/seeds.h"
#include "kernels/token_divergence.h"
#include "kernels/token_divergence_reference.h"
#include "tests/kernels/matchers.h"
#include "tests/kernels/token_divergence_cases.h"
#include "tests/support/gradient_check.h"

namespace drystill::kernels {
namespace {

using drystill::testing::near;
using drystill::testing::token_cases;

constexpr std::int64_t kTokens = 11, kWords = 77, kHidden = 9, kTeacherHidden = 14;

torch::Tensor normal(std::vector<std::int64_t> shape, const std::string& name, torch::ScalarType type) {
  SeedStreams seeds(13);
  return at::randn(shape, seeds.cpu_stream(name), torch::kFloat64).to(type);
}

HeadInput student_head(torch::ScalarType type, std::int64_t tokens = kTokens) {
  return {normal({tokens, kHidden}, "hidden", type).requires_grad_(),
          normal({kWords, kHidden}, "weight", type).requires_grad_()};
}

HeadInput teacher_head(torch::ScalarType type, std::int64_t tokens = kTokens) {
  return {normal({tokens, kTeacherHidden}, "teacher_hidden", type),
          normal({kWords, kTeacherHidden}, "teacher_weight", type)};
}

torch::Tensor logits_of(const HeadInput& head) {
  return head.hidden.matmul(head.weight.t());
}

// Weights of which some are 0.
torch::Tensor some_weights(std::int64_t tokens = kTokens) {
  return normal({tokens}, "weights", torch::kFloat32).clamp_min(0);
}

std::vector<torch::Tensor> gradients_of(const torch::Tensor& loss, const HeadInput& head) {
  return torch::autograd::grad({loss}, {head.hidden, head.weight});
}

TEST(FusedTokenDivergence, EqualsTheLogitsWay) {
  for (const auto type : {torch::kFloat32, torch::kFloat64}) {
    const double tolerance = type == torch::kFloat64 ? 1e-12 : 1e-5;
    for (const std::int64_t chunk : {0, 1, 3, 4}) {
      for (const bool weighted : {false, true}) {
        for (const auto& [name, options] : token_cases({.beta = .4, .k = 6, .temperature = 1.2})) {
          SCOPED_TRACE(name + " chunk " + std::to_string(chunk));
          const HeadInput student = student_head(type), teacher = teacher_head(type);
          const torch::Tensor weights = weighted ? some_weights() : torch::Tensor();
          const torch::Tensor losses = token_divergence(logits_of(student), logits_of(teacher), options, weights);
          const auto fused = fused_token_divergence(student, teacher, options, weights,
                                                    {.normaliser = 5, .metrics = true, .chunk_rows = chunk});
          EXPECT_TRUE(near(fused.loss, losses.sum() / 5, type == torch::kFloat64 ? 1e-12 : 1e-6));
          const auto actual = gradients_of(3 * fused.loss, student),
                     expected = gradients_of(3 * losses.sum() / 5, student);
          EXPECT_TRUE(near(actual[0], expected[0], tolerance));
          EXPECT_TRUE(near(actual[1], expected[1], tolerance));
          EXPECT_FALSE(fused.token_losses.requires_grad());
          EXPECT_TRUE(near(weighted ? fused.token_losses * weights : fused.token_losses, losses, tolerance));
        }
      }
    }
  }
}

TEST(FusedTokenDivergence, GradientInFloat64) {
  const HeadInput teacher = teacher_head(torch::kFloat64, 3);
  for (const auto& [name, options] : token_cases({.beta = .3, .k = 4, .temperature = 1.5})) {
    const auto function = [&, o = options](const std::vector<torch::Tensor>& inputs) {
      return fused_token_divergence({inputs[0], inputs[1]}, teacher, o, {}, {.normaliser = 2, .chunk_rows = 2}).loss;
    };
    const HeadInput student = student_head(torch::kFloat64, 3);
    EXPECT_EQ(testing::gradient_mismatch(function, {student.hidden, student.weight.detach()}), "") << name;
  }
  const auto of_weight = [&](const std::vector<torch::Tensor>& inputs) {
    return fused_token_divergence({inputs[0], inputs[1]}, teacher, {}).loss;
  };
  EXPECT_EQ(testing::gradient_mismatch(
                of_weight, {student_head(torch::kFloat64, 3).hidden.detach(), student_head(torch::kFloat64, 3).weight}),
            "");
}

TEST(FusedTokenDivergence, Metrics) {
  const HeadInput student = student_head(torch::kFloat32), teacher = teacher_head(torch::kFloat32);
  const torch::Tensor weights = some_weights(), counted = weights.ne(0);
  const torch::Tensor agree = logits_of(student).argmax(1).eq(logits_of(teacher).argmax(1)).logical_and(counted);
  ASSERT_GT(counted.logical_not().sum().item<std::int64_t>(), 0);
  const torch::Tensor kl = token_divergence(logits_of(student), logits_of(teacher), {}, counted);
  for (const auto& [name, options] : token_cases({.k = 3, .entry_clip = .1})) {
    const auto fused = fused_token_divergence(student, teacher, options, weights, {.metrics = true, .chunk_rows = 4});
    EXPECT_TRUE(near(fused.token_kl, kl, 2e-6)) << name;
    EXPECT_EQ(fused.agreements.item<std::int64_t>(), agree.sum().item<std::int64_t>()) << name;
  }
  const auto self =
      fused_token_divergence(student, HeadInput{student.hidden.detach(), student.weight}, {}, {}, {.metrics = true});
  EXPECT_EQ(self.agreements.item<std::int64_t>(), kTokens);
  EXPECT_FALSE(fused_token_divergence(student, teacher, {}).token_kl.defined());
}

TEST(FusedTokenDivergence, SameModelHasNoLossAndNoGradient) {
  for (const auto& [name, options] : token_cases({.k = 5})) {
    const bool full = options.support == TokenSupport::kFull;
    if (options.kind == TokenDivergenceKind::kCrossEntropy) continue;
    if (!full && options.remainder == TokenRemainder::kDrop) continue;  // see TokenDivergence's test of the same
    const HeadInput student = student_head(torch::kFloat32);
    const auto fused = fused_token_divergence(student, HeadInput{student.hidden.detach(), student.weight}, options);
    EXPECT_LT(fused.loss.abs().item<float>(), 1e-9) << name;
    for (const torch::Tensor& gradient : gradients_of(fused.loss, student)) {
      EXPECT_LT(gradient.abs().max().item<float>(), 2e-6) << name;
    }
  }
}

TEST(FusedTokenDivergence, CachedTeacher) {
  for (const auto type : {torch::kFloat32, torch::kFloat64, torch::kBFloat16}) {
    const double tolerance = type == torch::kBFloat16 ? 2e-2 : 5e-6;
    const HeadInput student = student_head(type);
    const torch::Tensor teacher = normal({kTokens, kWords}, "teacher_logits", torch::kFloat32);
    const auto [values, ids] = at::topk(at::log_softmax(teacher, 1), 6);
    for (const auto& [name, options] : token_cases({.k = 4})) {
      if (options.support != TokenSupport::kTeacherTopK) continue;
      const torch::Tensor weights = some_weights();
      const torch::Tensor losses = token_divergence(logits_of(student), teacher, options, weights);
      const auto fused = fused_token_divergence(student, TeacherTopK{ids, values}, options, weights,
                                                {.normaliser = 3, .metrics = true, .chunk_rows = 4});
      EXPECT_TRUE(near(fused.loss, losses.sum() / 3, tolerance)) << name;
      const auto actual = gradients_of(fused.loss, student), expected = gradients_of(losses.sum() / 3, student);
      EXPECT_TRUE(near(actual[0], expected[0], tolerance)) << name;
      EXPECT_TRUE(near(actual[1], expected[1], tolerance)) << name;
      EXPECT_FALSE(fused.token_kl.defined());
    }
  }
}

TEST(FusedTokenDivergence, BfloatHeads) {
  const HeadInput student = student_head(torch::kBFloat16), teacher = teacher_head(torch::kBFloat16);
  const HeadInput wide{student.hidden.detach().to(torch::kFloat32).requires_grad_(),
                       student.weight.detach().to(torch::kFloat32).requires_grad_()};
  const torch::Tensor exact = token_divergence_reference(
      logits_of(wide), teacher.hidden.to(torch::kFloat32).matmul(teacher.weight.to(torch::kFloat32).t()), {});
  const auto expected = gradients_of(exact.sum() / kTokens, wide);
  const auto expect = [&](const HeadInput& head, const HeadInput& of) {
    const auto fused = fused_token_divergence(head, of, {}, {}, {.normaliser = kTokens, .chunk_rows = 4});
    EXPECT_EQ(fused.loss.scalar_type(), torch::kFloat32);
    EXPECT_TRUE(near(fused.loss, exact.mean(), 1e-2));
    const auto actual = gradients_of(fused.loss, head);
    EXPECT_EQ(actual[0].scalar_type(), head.hidden.scalar_type());
    EXPECT_EQ(actual[1].scalar_type(), head.weight.scalar_type());
    EXPECT_TRUE(near(actual[0], expected[0], 2e-2, .1));
    EXPECT_TRUE(near(actual[1], expected[1], 2e-2, .1));
  };
  expect(student, teacher);
  // A float32 master weight under bfloat16 hidden states, and a teacher of another type.
  expect({student.hidden, wide.weight}, teacher);
  expect(student, {teacher.hidden.to(torch::kFloat32), teacher.weight.to(torch::kFloat32)});
}

TEST(FusedTokenDivergence, OneBatchEqualsItsMicroBatchesInAnyOrder) {
  const HeadInput student = student_head(torch::kFloat64), teacher = teacher_head(torch::kFloat64);
  const torch::Tensor weights = some_weights().to(torch::kFloat64);
  const double total = weights.sum().item<double>();  // of the whole batch, not of the micro-batch
  const auto whole = fused_token_divergence(student, teacher, {}, weights, {.normaliser = total});
  const auto expected = gradients_of(whole.loss, student);
  SeedStreams seeds(14);
  const torch::Tensor order = at::randperm(kTokens, seeds.cpu_stream("order"), torch::kInt64);
  torch::Tensor sum = at::zeros({}, torch::kFloat64);
  for (std::int64_t begin = 0; begin < kTokens; begin += 4) {
    const torch::Tensor at = order.slice(0, begin, begin + 4);
    sum = sum + fused_token_divergence({student.hidden.index_select(0, at), student.weight},
                                       HeadInput{teacher.hidden.index_select(0, at), teacher.weight}, {},
                                       weights.index_select(0, at), {.normaliser = total})
                    .loss;
  }
  EXPECT_TRUE(near(sum, whole.loss, 1e-13));
  const auto actual = gradients_of(sum, student);
  EXPECT_TRUE(near(actual[0], expected[0], 1e-13));
  EXPECT_TRUE(near(actual[1], expected[1], 1e-13));
}

TEST(FusedTokenDivergence, MaskedTokensAreNotRead) {
  const HeadInput student = student_head(torch::kFloat32), teacher = teacher_head(torch::kFloat32);
  const torch::Tensor weights = at::ones({kTokens});
  weights.slice(0, 2, 5).zero_();
  weights[kTokens - 1] = 0;
  const auto clean = fused_token_divergence(student, teacher, {}, weights);
  const auto expected = gradients_of(clean.loss, student);
  {
    const torch::NoGradGuard no_grad;
    student.hidden.slice(0, 2, 5).fill_(NAN);
    teacher.hidden.slice(0, 2, 5).fill_(NAN);
  }
  const auto masked = fused_token_divergence(student, teacher, {}, weights);
  EXPECT_TRUE(masked.loss.equal(clean.loss));
  const auto actual = gradients_of(masked.loss, student);
  EXPECT_TRUE(actual[0].equal(expected[0]));
  EXPECT_TRUE(actual[1].equal(expected[1]));
  EXPECT_EQ(actual[0].slice(0, 2, 5).abs().max().item<float>(), 0);

  // Nothing counts, or there is nothing: 0 with gradients of 0.
  const auto none = fused_token_divergence(student, teacher, {}, at::zeros({kTokens}), {.metrics = true});
  EXPECT_EQ(none.loss.item<float>(), 0);
  EXPECT_EQ(gradients_of(none.loss, student)[1].abs().max().item<float>(), 0);
  const HeadInput empty = student_head(torch::kFloat32, 0);
  const auto nothing = fused_token_divergence(empty, teacher_head(torch::kFloat32, 0), {});
  EXPECT_EQ(nothing.loss.item<float>(), 0);
  EXPECT_EQ(gradients_of(nothing.loss, empty)[1].abs().max().item<float>(), 0);
}

TEST(FusedTokenDivergence, OnlyTheGradientThatIsWanted) {
  const HeadInput student = student_head(torch::kFloat32), teacher = teacher_head(torch::kFloat32);
  const auto expected = gradients_of(fused_token_divergence(student, teacher, {}).loss, student);
  const auto frozen_head = fused_token_divergence({student.hidden, student.weight.detach()}, teacher, {});
  EXPECT_TRUE(torch::autograd::grad({frozen_head.loss}, {student.hidden})[0].equal(expected[0]));
  const auto head_only = fused_token_divergence(HeadInput{student.hidden.detach(), student.weight}, teacher, {});
  EXPECT_TRUE(torch::autograd::grad({head_only.loss}, {student.weight})[0].equal(expected[1]));
  const torch::NoGradGuard no_grad;
  EXPECT_FALSE(fused_token_divergence(student, teacher, {}).loss.requires_grad());
}

template <class Exception, class Call>
std::string refusal_of(const Call& call) {
  try {
    call();
  } catch (const Exception& error) {
    return error.what();
  }
  return "";
}

TEST(FusedTokenDivergence, RefusesWhatDoesNotFit) {
  const HeadInput student = student_head(torch::kFloat32), teacher = teacher_head(torch::kFloat32);
  const auto input = [&](const HeadInput& s, const HeadInput& t, const torch::Tensor& w = {}) {
    return refusal_of<InputError>([&] { fused_token_divergence(s, t, {}, w); });
  };
  EXPECT_NE(input({student.hidden, teacher.weight}, teacher).find("student hidden states"), std::string::npos);
  EXPECT_NE(input(student, {}).find("none"), std::string::npos);
  EXPECT_NE(input(student, teacher_head(torch::kFloat32, 3)).find("11"), std::string::npos);
  EXPECT_NE(input(student, HeadInput{teacher.hidden, teacher.weight.narrow(0, 0, 70)}).find("slice"),
            std::string::npos);
  EXPECT_NE(input(student, student).find("detach"), std::string::npos);
  EXPECT_NE(input(student, teacher, at::ones({3})).find("row_weights"), std::string::npos);
  for (const FusedTokenDivergenceOptions& fused :
       std::vector<FusedTokenDivergenceOptions>{{.normaliser = 0}, {.normaliser = NAN}, {.chunk_rows = -1}}) {
    EXPECT_NE(refusal_of<ConfigError>([&] { fused_token_divergence(student, teacher, {}, {}, fused); }), "");
  }
  const torch::Tensor ids = at::zeros({kTokens, 1}, torch::kInt64) + kWords, values = at::zeros({kTokens, 1});
  EXPECT_NE(refusal_of<InputError>([&] {
              fused_token_divergence(student, TeacherTopK{ids, values}, {.support = TokenSupport::kTeacherTopK});
            }).find("tokenizer"),
            std::string::npos);
  const torch::Tensor loss = fused_token_divergence(student, teacher, {}).loss;
  EXPECT_NE(refusal_of<RunError>([&] { torch::autograd::grad({loss}, {student.hidden}, {}, true, true); }), "");
}

HeadMixture two_teachers(torch::ScalarType type) {
  return {.heads = {teacher_head(type),
                    {normal({kTokens, 5}, "other_hidden", type), normal({kWords, 5}, "other_weight", type)}},
          .shares = {1, 3}};
}

// The composed way: probabilities at the temperature, their mean, and its log times the temperature as logits.
TEST(FusedTokenDivergence, MeanOfProbabilitiesOfTwoTeachers) {
  const auto mixture = two_teachers(torch::kFloat64);
  for (const double temperature : {1.0, 2.0}) {
    const auto soft = [&](const HeadInput& head) { return (logits_of(head) / temperature).softmax(1); };
    const auto logits = (0.25 * soft(mixture.heads[0]) + 0.75 * soft(mixture.heads[1])).log() * temperature;
    for (const auto kind :
         {TokenDivergenceKind::kForwardKl, TokenDivergenceKind::kReverseKl, TokenDivergenceKind::kJensenShannon}) {
      TokenDivergenceOptions options;
      options.kind = kind;
      options.temperature = temperature;
      for (const std::int64_t chunk : {0, 3}) {
        const auto student = student_head(torch::kFloat64);
        const auto weights = some_weights();
        const auto fused =
            fused_token_divergence(student, mixture, options, weights, {.normaliser = 2, .chunk_rows = chunk});
        const auto expected = token_divergence(logits_of(student), logits, options, weights).sum() / 2;
        EXPECT_TRUE(near(fused.loss, expected, 1e-10));
        const auto ours = gradients_of(fused.loss, student), theirs = gradients_of(expected, student);
        for (std::size_t i = 0; i < ours.size(); ++i) EXPECT_TRUE(near(ours[i], theirs[i], 1e-10));
      }
    }
  }
}

TEST(FusedTokenDivergence, MeanLogitsAreOneHead) {
  const auto mixture = two_teachers(torch::kFloat64);
  const auto expected = 0.25 * logits_of(mixture.heads[0]) + 0.75 * logits_of(mixture.heads[1]);
  EXPECT_TRUE(near(logits_of(mean_logits_head(mixture)), expected, 1e-12));
  // The normalised geometric mean of the probabilities.
  const auto geometric =
      (0.25 * logits_of(mixture.heads[0]).log_softmax(1) + 0.75 * logits_of(mixture.heads[1]).log_softmax(1))
          .softmax(1);
  EXPECT_TRUE(near(logits_of(mean_logits_head(mixture)).softmax(1), geometric, 1e-12));
}

TEST(FusedTokenDivergence, RefusesMixturesThatDoNotFit) {
  const auto student = student_head(torch::kFloat32);
  auto no_share = two_teachers(torch::kFloat32), words = no_share;
  no_share.shares = {1, 0};
  words.heads[1].weight = words.heads[1].weight.narrow(0, 0, kWords - 1);
  EXPECT_THROW(fused_token_divergence(student, no_share, {}), InputError);
  EXPECT_THROW(fused_token_divergence(student, words, {}), InputError);
  EXPECT_THROW(fused_token_divergence(student, HeadMixture{}, {}), InputError);
}

}  // namespace
}  // namespace drystill::kernels
