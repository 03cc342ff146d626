#include "kernels/token_divergence.h"

#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/randperm.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/topk.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/seeds.h"
#include "kernels/token_divergence_reference.h"
#include "tests/kernels/golden_file.h"
#include "tests/kernels/matchers.h"
#include "tests/kernels/token_divergence_cases.h"
#include "tests/support/gradient_check.h"

namespace drystill::kernels {
namespace {

using drystill::testing::near;
using drystill::testing::token_cases;
using Kind = TokenDivergenceKind;
using Support = TokenSupport;
using Remainder = TokenRemainder;

torch::Tensor random_logits(std::vector<std::int64_t> shape, const std::string& name) {
  SeedStreams seeds(12);
  return 2 * at::randn(shape, seeds.cpu_stream(name), torch::kFloat32);
}

torch::Tensor leaf_of(const torch::Tensor& values) {
  return values.detach().clone().requires_grad_();
}

torch::Tensor gradient_of(const torch::Tensor& loss, const torch::Tensor& leaf, const torch::Tensor& upstream = {}) {
  return torch::autograd::grad({upstream.defined() ? (loss * upstream).sum() : loss.sum()}, {leaf})[0];
}

// The vectors of the known answers, by hand in float64.
const std::vector<double> kStudent = {1, .5, -.3, .2, -1}, kTeacher = {.2, 1.5, -.7, 0, .4};

torch::Tensor row(const std::vector<double>& values, torch::ScalarType type = torch::kFloat64) {
  return torch::tensor(values, torch::kFloat64).to(type).unsqueeze(0);
}

// Both in float64, where the composed rows run, and in float32, where the vector code does.
void expect_loss(const TokenDivergenceOptions& options, double expected) {
  EXPECT_NEAR(token_divergence(row(kStudent), row(kTeacher), options).item<double>(), expected, 1e-9)
      << enum_name(options.kind) << " " << options.beta;
  const torch::Tensor single =
      token_divergence(row(kStudent, torch::kFloat32), row(kTeacher, torch::kFloat32), options);
  EXPECT_NEAR(single.item<double>(), expected, 1e-6) << enum_name(options.kind) << " " << options.beta;
}

TEST(TokenDivergence, KnownAnswers) {
  expect_loss({.kind = Kind::kForwardKl}, 0.3369806696);
  expect_loss({.kind = Kind::kReverseKl}, 0.3430167932);
  expect_loss({.kind = Kind::kJensenShannon, .beta = .1}, 0.0299699043);
  expect_loss({.kind = Kind::kJensenShannon, .beta = .5}, 0.0819289443);
  expect_loss({.kind = Kind::kJensenShannon, .beta = .9}, 0.0303817366);
  expect_loss({.kind = Kind::kTotalVariation}, 0.3861667597);

  expect_loss({.kind = Kind::kForwardKl, .temperature = 2}, 0.0896497028);
  expect_loss({.kind = Kind::kReverseKl, .temperature = 2}, 0.0878805398);
  expect_loss({.kind = Kind::kJensenShannon, .beta = .1, .temperature = 2}, 0.0080231952);
  expect_loss({.kind = Kind::kJensenShannon, .beta = .5, .temperature = 2}, 0.0219743269);
  expect_loss({.kind = Kind::kJensenShannon, .beta = .9, .temperature = 2}, 0.0078973100);
  expect_loss({.kind = Kind::kTotalVariation, .temperature = 2}, 0.1995676697);
  expect_loss({.kind = Kind::kForwardKl, .temperature = 2, .scale_by_temperature_squared = true}, 4 * 0.0896497028);

  const auto top2 = [](Kind kind, Support support, Remainder remainder) {
    return TokenDivergenceOptions{.kind = kind, .support = support, .k = 2, .remainder = remainder};
  };
  expect_loss(top2(Kind::kForwardKl, Support::kStudentTopK, Remainder::kTail), 0.2281025852);
  expect_loss(top2(Kind::kReverseKl, Support::kStudentTopK, Remainder::kTail), 0.2526231236);
  expect_loss(top2(Kind::kForwardKl, Support::kStudentTopK, Remainder::kRenormalise), 0.3475714998);
  expect_loss(top2(Kind::kReverseKl, Support::kStudentTopK, Remainder::kDrop), 0.2485034931);
  expect_loss(top2(Kind::kForwardKl, Support::kTeacherTopK, Remainder::kTail), 0.3253017677);
  expect_loss(top2(Kind::kReverseKl, Support::kTeacherTopK, Remainder::kTail), 0.3174361383);
  expect_loss(top2(Kind::kForwardKl, Support::kTeacherTopK, Remainder::kRenormalise), 0.0139739106);
  expect_loss(top2(Kind::kReverseKl, Support::kTeacherTopK, Remainder::kDrop), -0.2445958788);
  expect_loss(top2(Kind::kCrossEntropy, Support::kTeacherTopK, Remainder::kDrop), 1.2208088885);
}

TEST(TokenDivergence, KnownGradients) {
  const auto expect = [](const TokenDivergenceOptions& options, const std::vector<double>& expected) {
    for (const auto type : {torch::kFloat64, torch::kFloat32}) {
      const torch::Tensor student = row(kStudent, type).requires_grad_();
      const torch::Tensor gradient = gradient_of(token_divergence(student, row(kTeacher, type), options), student);
      EXPECT_TRUE(near(gradient, row(expected), type == torch::kFloat64 ? 1e-9 : 1e-6)) << enum_name(options.kind);
    }
  };
  expect({.kind = Kind::kForwardKl}, {.2653607860, -.2694561232, .0534831252, .0673228485, -.1167106365});
  expect({.kind = Kind::kReverseKl}, {.2912879223, -.2664565577, .0351381378, .0214574426, -.0814269450});
  expect({.kind = Kind::kJensenShannon, .beta = .1},
         {.0233723378, -.0238180356, .0045721949, .0055776346, -.0097041317});
  expect({.kind = Kind::kJensenShannon, .beta = .5},
         {.0638400089, -.0637326900, .0108108746, .0111947319, -.0221129254});
  expect({.kind = Kind::kJensenShannon, .beta = .9},
         {.0250871394, -.0235174800, .0033358487, .0024472009, -.0073527089});
}

TEST(TokenDivergence, HintonLimit) {
  // T^2 d CE / d s approaches (z - v) / N for zero-mean logits.
  const auto gradient = [](double temperature) {
    const torch::Tensor student = row(kStudent).requires_grad_();
    const TokenDivergenceOptions options{
        .kind = Kind::kCrossEntropy, .temperature = temperature, .scale_by_temperature_squared = true};
    return gradient_of(token_divergence(student, row(kTeacher), options), student);
  };
  EXPECT_TRUE(near(gradient(1), row({.265361, -.269456, .053483, .067323, -.116711}), 1e-6));
  EXPECT_TRUE(near(gradient(10), row({.208663, -.172764, .112308, .079657, -.227863}), 1e-6));
  EXPECT_TRUE(near(gradient(1e5), row({.2, -.16, .12, .08, -.24}), 1e-5));
}

TEST(TokenDivergence, JensenShannonIsTheKlsAtItsEndsAndInTheLimit) {
  const auto value = [](Kind kind, double beta) {
    return token_divergence(row(kStudent), row(kTeacher), {.kind = kind, .beta = beta}).item<double>();
  };
  EXPECT_EQ(value(Kind::kJensenShannon, 0), value(Kind::kForwardKl, .5));
  EXPECT_EQ(value(Kind::kJensenShannon, 1), value(Kind::kReverseKl, .5));
  EXPECT_NEAR(value(Kind::kJensenShannon, 1e-2) / 1e-2, 0.333157, 1e-6);
  EXPECT_NEAR(value(Kind::kJensenShannon, 1e-4) / 1e-4, 0.336942, 1e-6);
  EXPECT_NEAR(value(Kind::kJensenShannon, 1e-6) / 1e-6, 0.336980, 1e-6);
  EXPECT_NEAR(value(Kind::kJensenShannon, 1 - 1e-2) / 1e-2, 0.338978, 1e-6);
  EXPECT_NEAR(value(Kind::kJensenShannon, 1 - 1e-4) / 1e-4, 0.342976, 1e-6);
  EXPECT_NEAR(value(Kind::kJensenShannon, 1 - 1e-6) / 1e-6, 0.343016, 1e-6);
}

TEST(TokenDivergence, GoldenValuesAndGradientsOfPyTorch) {
  const auto golden = testing::read_golden("token_divergence.safetensors");
  for (const auto& [name, options] : token_cases({.beta = .3, .k = 5, .temperature = 1.5})) {
    SCOPED_TRACE(name);
    const torch::Tensor student = leaf_of(golden.at("student"));
    const torch::Tensor loss = token_divergence(student, golden.at("teacher"), options);
    EXPECT_TRUE(near(loss, golden.at(name + ".loss"), 2e-6));
    EXPECT_TRUE(near(gradient_of(loss, student), golden.at(name + ".gradient"), 2e-6));
  }
}

TEST(TokenDivergence, GradientInFloat64) {
  const torch::Tensor upstream = random_logits({3}, "upstream").to(torch::kFloat64);
  const torch::Tensor teacher = random_logits({3, 9}, "teacher").to(torch::kFloat64);
  for (const double clip : {0., .05}) {
    for (const auto& [name, options] : token_cases(
             {.beta = .3, .k = 3, .temperature = 1.5, .scale_by_temperature_squared = true, .entry_clip = clip})) {
      const auto function = [&, o = options](const std::vector<torch::Tensor>& inputs) {
        return (token_divergence(inputs[0], teacher, o) * upstream).sum();
      };
      const torch::Tensor student = random_logits({3, 9}, "student").to(torch::kFloat64).requires_grad_();
      EXPECT_EQ(testing::gradient_mismatch(function, {student}), "") << name << " clip " << clip;
    }
  }
}

TEST(TokenDivergence, FastEqualsTheReference) {
  for (const std::int64_t words : {1, 2, 7, 8, 9, 15, 16, 17, 33, 257, 1500}) {
    for (const auto& [name, options] :
         token_cases({.beta = .7, .k = 6, .temperature = 1.3, .scale_by_temperature_squared = words % 2 == 0})) {
      SCOPED_TRACE(name + " " + std::to_string(words));
      const torch::Tensor student = leaf_of(random_logits({5, words}, "student"));
      const torch::Tensor teacher = random_logits({5, words}, "teacher");
      const torch::Tensor weights = random_logits({5}, "weights").clamp_min(0);
      const torch::Tensor upstream = random_logits({5}, "upstream");
      const torch::Tensor fast = token_divergence(student, teacher, options, weights);
      const torch::Tensor slow =
          token_divergence_reference(student.to(torch::kFloat64), teacher.to(torch::kFloat64), options, weights);
      EXPECT_TRUE(near(fast, slow, 3e-6));
      EXPECT_TRUE(near(gradient_of(fast, student, upstream), gradient_of(slow, student, upstream), 1e-5));
    }
  }
}

TEST(TokenDivergence, ClipsLikeTheReference) {
  for (const auto& [name, options] : token_cases({.k = 20, .entry_clip = .05, .token_clip = .3})) {
    const torch::Tensor student = leaf_of(random_logits({9, 40}, "student"));
    const torch::Tensor teacher = random_logits({9, 40}, "teacher");
    const torch::Tensor fast = token_divergence(student, teacher, options);
    const torch::Tensor slow = token_divergence_reference(student, teacher, options);
    EXPECT_TRUE(near(fast, slow, 3e-6)) << name;
    EXPECT_TRUE(near(gradient_of(fast, student), gradient_of(slow, student), 5e-6)) << name;
    EXPECT_LE(fast.max().item<float>(), .3f) << name;
    TokenDivergenceOptions unclipped = options;
    unclipped.entry_clip = unclipped.token_clip = 0;
    EXPECT_GT((token_divergence(student, teacher, unclipped) - fast).max().item<float>(), 1e-3) << name;
  }
}

TEST(TokenDivergence, EqualDistributionsHaveNoLossAndNoGradient) {
  for (const auto type : {torch::kFloat32, torch::kFloat64}) {
    for (const auto& [name, options] : token_cases({.k = 4})) {
      if (options.kind == Kind::kCrossEntropy) continue;  // it is the teacher's entropy there
      const torch::Tensor student = leaf_of(random_logits({6, 50}, "student").to(type));
      const torch::Tensor loss = token_divergence(student, student.detach(), options);
      EXPECT_LT(loss.abs().max().item<double>(), 1e-12) << name;
      // Where mass is dropped, the loss has its minimum over p elsewhere: KL's gradient is q - q P, not 0.
      const bool dropped = options.remainder == Remainder::kDrop && options.support != Support::kFull;
      if (dropped && (options.kind == Kind::kForwardKl || options.kind == Kind::kReverseKl)) continue;
      EXPECT_LT(gradient_of(loss, student).abs().max().item<double>(), type == torch::kFloat64 ? 1e-14 : 5e-7) << name;
    }
  }
}

TEST(TokenDivergence, TopKWithTailOfTheWholeVocabularyIsFull) {
  const torch::Tensor teacher = random_logits({4, 21}, "teacher");
  for (const auto& [name, options] : token_cases({.beta = .2, .k = 1000})) {
    const torch::Tensor student = leaf_of(random_logits({4, 21}, "student"));
    TokenDivergenceOptions full = options;
    full.support = Support::kFull;
    const torch::Tensor actual = token_divergence(student, teacher, options);
    const torch::Tensor expected = token_divergence(student, teacher, full);
    EXPECT_TRUE(near(actual, expected, 3e-6)) << name;
    EXPECT_TRUE(near(gradient_of(actual, student), gradient_of(expected, student), 3e-6)) << name;
  }
}

TEST(TokenDivergence, BucketsNeverExceedTheFullDivergence) {  // data processing inequality
  const torch::Tensor student = random_logits({50, 64}, "student"), teacher = random_logits({50, 64}, "teacher");
  for (const auto& [name, options] : token_cases({.k = 5})) {
    if (options.kind == Kind::kCrossEntropy || options.remainder != Remainder::kTail) continue;
    TokenDivergenceOptions full = options;
    full.support = Support::kFull;
    const torch::Tensor excess = token_divergence(student, teacher, options) - token_divergence(student, teacher, full);
    EXPECT_LT(excess.max().item<float>(), 1e-6f) << name;
    EXPECT_GT(token_divergence(student, teacher, options).min().item<float>(), 0.f) << name;
  }
}

TEST(TokenDivergence, ReverseKlMayBeNegativeWhereMassIsDropped) {
  const TokenDivergenceOptions options{
      .kind = Kind::kReverseKl, .support = Support::kTeacherTopK, .k = 2, .remainder = Remainder::kDrop};
  EXPECT_LT(token_divergence(random_logits({50, 64}, "s"), random_logits({50, 64}, "t"), options).min().item<float>(),
            0);
}

TEST(TokenDivergence, HalfTypesAndStridedLogits) {
  for (const auto type : {torch::kBFloat16, torch::kFloat16}) {
    // Fractions of a permutation: exact in both types, no two words of a row are equal, and no p equals its q.
    SeedStreams seeds(3);
    std::vector<torch::Tensor> rows;
    for (int i = 0; i < 18; ++i) rows.push_back(at::randperm(42, seeds.cpu_stream("p"), torch::kFloat32) / 8);
    const torch::Tensor all = at::stack(rows).to(type);
    const torch::Tensor student = 2 * all.narrow(0, 0, 9).t().contiguous().t(), teacher = all.slice(0, 9, 18);
    for (const auto& [name, options] : token_cases({.k = 4})) {
      const torch::Tensor leaf = student.detach().requires_grad_(), wide = leaf_of(student.to(torch::kFloat32));
      const torch::Tensor loss = token_divergence(leaf, teacher, options);
      const torch::Tensor exact = token_divergence_reference(wide, teacher.to(torch::kFloat32), options);
      EXPECT_EQ(loss.scalar_type(), torch::kFloat32);
      EXPECT_TRUE(near(loss, exact, 1e-5)) << name;
      const torch::Tensor gradient = gradient_of(loss, leaf);
      EXPECT_EQ(gradient.scalar_type(), type);
      EXPECT_TRUE(near(gradient, gradient_of(exact, wide), 5e-3, 1e-3)) << name;
    }
  }
}

TEST(TokenDivergence, MaskedWordsAndExtremeLogitsStayFinite) {
  const float inf = std::numeric_limits<float>::infinity();
  for (const auto type : {torch::kFloat32, torch::kFloat64}) {
    const torch::Tensor student =
        torch::tensor({{1.f, -inf, 2.f, 0.f}, {1e4f, -1e4f, 0.f, 1.f}, {-inf, -inf, -inf, 5.f}}).to(type);
    const torch::Tensor teacher =
        torch::tensor({{3.f, 1.f, -inf, 0.f}, {-1e4f, 1e4f, 0.f, 1.f}, {-inf, 2.f, -inf, -inf}}).to(type);
    for (const auto& [name, options] : token_cases({.k = 2})) {
      const torch::Tensor leaf = leaf_of(student);
      const torch::Tensor loss = token_divergence(leaf, teacher, options);
      EXPECT_TRUE(loss.isfinite().all().item<bool>()) << name << loss;
      EXPECT_TRUE(gradient_of(loss, leaf).isfinite().all().item<bool>()) << name;
    }
  }
  // A word masked on both sides changes nothing.
  const torch::Tensor s = random_logits({3, 20}, "student"), t = random_logits({3, 20}, "teacher");
  const torch::Tensor mask = at::full({3, 1}, -inf);
  for (const auto& [name, options] : token_cases({.k = 4})) {
    EXPECT_TRUE(near(token_divergence(at::cat({s, mask}, 1), at::cat({t, mask}, 1), options),
                     token_divergence(s, t, options), 1e-6))
        << name;
  }
  EXPECT_TRUE(token_divergence(at::full({1, 4}, NAN), at::zeros({1, 4}), {}).isnan().all().item<bool>());
}

TEST(TokenDivergence, RowsOfWeightZeroAreNotRead) {
  for (const auto type : {torch::kFloat32, torch::kFloat64}) {
    for (const auto& [name, options] : token_cases({.k = 3})) {
      const torch::Tensor student = random_logits({4, 12}, "student").to(type);
      const torch::Tensor teacher = random_logits({4, 12}, "teacher").to(type);
      const torch::Tensor expected = token_divergence(student, teacher, options);
      student.select(0, 2).fill_(NAN);
      const torch::Tensor leaf = leaf_of(student), weights = torch::tensor({1.f, 0.5f, 0.f, 2.f});
      const torch::Tensor loss = token_divergence(leaf, teacher, options, weights);
      EXPECT_EQ(loss[2].item<double>(), 0);
      EXPECT_TRUE(near(loss.slice(0, 0, 2), (expected * weights).slice(0, 0, 2), 1e-6)) << name;
      const torch::Tensor gradient = gradient_of(loss, leaf);
      EXPECT_EQ(gradient[2].abs().max().item<double>(), 0) << name;
      EXPECT_GT(gradient[3].abs().max().item<double>(), 0) << name;
    }
  }
}

TEST(TokenDivergence, TokensStandAlone) {  // any order, any number of threads
  const torch::Tensor student = random_logits({40, 700}, "student"), teacher = random_logits({40, 700}, "teacher");
  SeedStreams seeds(4);
  const torch::Tensor order = at::randperm(40, seeds.cpu_stream("order"), torch::kInt64);
  const int threads = at::get_num_threads();
  for (const auto& [name, options] : token_cases({.k = 10})) {
    at::set_num_threads(1);
    const torch::Tensor one = token_divergence(student, teacher, options);
    at::set_num_threads(3);
    EXPECT_TRUE(one.index_select(0, order).equal(
        token_divergence(student.index_select(0, order), teacher.index_select(0, order), options)))
        << name;
  }
  at::set_num_threads(threads);
}

TEST(TokenDivergence, CachedTeacherEqualsTheLiveOne) {
  for (const auto type : {torch::kFloat32, torch::kFloat64}) {
    const torch::Tensor teacher = random_logits({6, 40}, "teacher").to(type);
    const auto [values, ids] = at::topk(at::log_softmax(teacher, 1), 7);
    for (const double temperature : {1., 2.}) {
      for (auto [name, options] : token_cases({.k = 5, .temperature = temperature})) {
        if (options.support != Support::kTeacherTopK) continue;
        if (temperature != 1 && options.remainder != Remainder::kRenormalise) continue;
        const torch::Tensor student = leaf_of(random_logits({6, 40}, "student").to(type));
        const torch::Tensor live = token_divergence(student, teacher, options);
        // In any order, and with more words than asked for.
        const torch::Tensor cached = token_divergence(student, {ids.flip(1), values.flip(1)}, options);
        EXPECT_TRUE(near(cached, live, 2e-6)) << name;
        EXPECT_TRUE(near(gradient_of(cached, student), gradient_of(live, student), 2e-6)) << name;
        // Three words and four absent ones are a cache of three.
        const torch::Tensor fewer = values.clone();
        fewer.narrow(1, 3, 4).fill_(-std::numeric_limits<double>::infinity());
        options.k = 7;
        const torch::Tensor with_absent = token_divergence(student, {ids, fewer}, options);
        options.k = 3;
        EXPECT_TRUE(near(with_absent, token_divergence(student, teacher, options), 2e-6)) << name;
        fewer.fill_(-std::numeric_limits<double>::infinity());
        EXPECT_EQ(token_divergence(student, {ids, fewer}, options).abs().max().item<double>(), 0) << name;
      }
    }
  }
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

TEST(TokenDivergence, RefusesWhatDoesNotFit) {
  const torch::Tensor logits = random_logits({4, 10}, "student");
  const auto input = [&](const torch::Tensor& s, const torch::Tensor& t, const torch::Tensor& w = {}) {
    return refusal_of<InputError>([&] { token_divergence(s, t, {}, w); });
  };
  EXPECT_NE(input(logits, random_logits({4, 9}, "t")).find("[4, 10]"), std::string::npos);
  EXPECT_NE(input(at::zeros({0, 10}), at::zeros({0, 10})).find("[0, 10]"), std::string::npos);
  EXPECT_NE(input(torch::Tensor(), logits).find("none"), std::string::npos);
  EXPECT_NE(input(logits, torch::Tensor()).find("none"), std::string::npos);
  EXPECT_NE(input(logits, leaf_of(logits)).find("detach"), std::string::npos);
  EXPECT_NE(input(logits, logits, at::ones({3})).find("row_weights"), std::string::npos);
  EXPECT_NE(input(logits, logits, leaf_of(at::ones({4}))).find("detach"), std::string::npos);
  for (const TokenDivergenceOptions& options : std::vector<TokenDivergenceOptions>{{.temperature = 0},
                                                                                   {.temperature = NAN},
                                                                                   {.beta = 1.5},
                                                                                   {.beta = NAN},
                                                                                   {.k = 0},
                                                                                   {.entry_clip = -1},
                                                                                   {.token_clip = NAN}}) {
    EXPECT_NE(refusal_of<ConfigError>([&] { token_divergence(logits, logits, options); }), "");
  }
  const torch::Tensor student = leaf_of(logits);
  const torch::Tensor loss = token_divergence(student, random_logits({4, 10}, "teacher"), {}).sum();
  EXPECT_NE(refusal_of<RunError>([&] { torch::autograd::grad({loss}, {student}, {}, true, true); }), "");
}

TEST(TokenDivergence, RefusesDamagedCaches) {
  const torch::Tensor logits = random_logits({2, 10}, "student");
  const torch::Tensor ids = torch::tensor({{1, 2}, {3, 4}}, torch::kInt64);
  const torch::Tensor halves = at::full({2, 2}, std::log(.5));
  const auto damaged = [&](const torch::Tensor& i, const torch::Tensor& p) {
    return refusal_of<InputError>([&] { token_divergence(logits, {i, p}, {.support = Support::kTeacherTopK}); });
  };
  EXPECT_EQ(damaged(ids, halves), "");
  EXPECT_NE(damaged(ids + 7, halves).find("[0, 10), got 11"), std::string::npos);
  EXPECT_NE(damaged(ids - 2, halves).find("got -1"), std::string::npos);
  EXPECT_NE(damaged(ids * 0, halves).find("twice"), std::string::npos);
  EXPECT_NE(damaged(ids, halves + 1).find("at most 1"), std::string::npos);
  EXPECT_NE(damaged(ids, halves * NAN).find("at most 1"), std::string::npos);
  EXPECT_NE(damaged(ids.to(torch::kInt32), halves).find("int64"), std::string::npos);
  EXPECT_NE(damaged(ids, at::zeros({2, 3})).find("one shape"), std::string::npos);
  EXPECT_NE(damaged(torch::Tensor(), halves).find("undefined"), std::string::npos);
  const auto refused = [&](const TokenDivergenceOptions& options) {
    return refusal_of<ConfigError>([&] { token_divergence(logits, {ids, halves}, options); });
  };
  EXPECT_NE(refused({}).find("full"), std::string::npos);
  EXPECT_NE(refused({.support = Support::kTeacherTopK, .temperature = 2}).find("renormalise"), std::string::npos);
}

}  // namespace
}  // namespace drystill::kernels
