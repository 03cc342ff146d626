#include "kernels/divergence.h"

#include <ATen/Parallel.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "core/error.h"
#include "core/seeds.h"
#include "kernels/divergence_reference.h"
#include "tests/kernels/golden_file.h"
#include "tests/kernels/matchers.h"
#include "tests/support/gradient_check.h"

namespace drystill::kernels {
namespace {

using drystill::testing::near;

constexpr DivergenceKind kKinds[] = {DivergenceKind::kForwardKl, DivergenceKind::kReverseKl,
                                     DivergenceKind::kJensenShannon, DivergenceKind::kL1, DivergenceKind::kMse};

torch::Tensor random(std::vector<std::int64_t> shape, const std::string& name) {
  SeedStreams seeds(11);
  return 3 * at::randn(shape, seeds.cpu_stream(name), torch::kFloat32);
}

torch::Tensor leaf(const torch::Tensor& values) {
  return values.detach().clone().requires_grad_();
}

// Gradients of sum(upstream * loss) with respect to student and teacher.
std::vector<torch::Tensor> gradients_of(const torch::Tensor& loss, const torch::Tensor& upstream,
                                        const torch::Tensor& student, const torch::Tensor& teacher) {
  return torch::autograd::grad({(loss * upstream).sum()}, {student, teacher});
}

TEST(Divergence, GoldenValuesAndGradientsOfPyTorch) {
  const auto golden = testing::read_golden("divergence.safetensors");
  for (const std::string classes : {"1", "10", "33", "100"}) {
    for (const DivergenceKind kind : kKinds) {
      for (const int temperature : {1, 4}) {
        const std::string key = classes + "." + std::string(enum_name(kind)) + "." + std::to_string(temperature);
        SCOPED_TRACE(key);
        const torch::Tensor student = leaf(golden.at(classes + ".student"));
        const torch::Tensor teacher = leaf(golden.at(classes + ".teacher"));
        const torch::Tensor loss =
            divergence(student, teacher, {.kind = kind, .temperature = static_cast<double>(temperature)});
        EXPECT_TRUE(near(loss, golden.at(key + ".loss"), 3e-6));
        const auto gradients = gradients_of(loss, golden.at(classes + ".upstream"), student, teacher);
        EXPECT_TRUE(near(gradients[0], golden.at(key + ".student_gradient"), 1e-5));
        EXPECT_TRUE(near(gradients[1], golden.at(key + ".teacher_gradient"), 1e-5));
      }
    }
  }
}

TEST(Divergence, GradientInFloat64) {
  const torch::Tensor upstream = random({3}, "upstream").to(torch::kFloat64);
  for (const DivergenceKind kind : kKinds) {
    const auto function = [&](const std::vector<torch::Tensor>& inputs) {
      return (divergence(inputs[0], inputs[1], {.kind = kind, .temperature = 2.5}) * upstream).sum();
    };
    const torch::Tensor student = random({3, 7}, "student").to(torch::kFloat64).requires_grad_();
    const torch::Tensor teacher = random({3, 7}, "teacher").to(torch::kFloat64).requires_grad_();
    EXPECT_EQ(testing::gradient_mismatch(function, {student, teacher}), "") << enum_name(kind);
  }
}

TEST(Divergence, FastEqualsTheReference) {
  for (const DivergenceKind kind : kKinds) {
    for (const std::int64_t classes : {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 257, 1000}) {
      for (const std::int64_t rows : {1, 5, 64}) {
        const DivergenceOptions options{.kind = kind, .temperature = 3, .scale_by_temperature_squared = rows != 5};
        SCOPED_TRACE(std::string(enum_name(kind)) + " " + std::to_string(rows) + "x" + std::to_string(classes));
        const torch::Tensor student = leaf(random({rows, classes}, "student"));
        const torch::Tensor teacher = leaf(random({rows, classes}, "teacher"));
        const torch::Tensor weights = random({rows}, "weights").clamp_min(0);
        const torch::Tensor upstream = random({rows}, "upstream");
        const torch::Tensor fast = divergence(student, teacher, options, weights);
        const torch::Tensor slow = divergence_reference(student, teacher, options, weights);
        EXPECT_TRUE(near(fast, slow, 1e-5));
        const auto actual = gradients_of(fast, upstream, student, teacher);
        const auto expected = gradients_of(slow, upstream, student, teacher);
        EXPECT_TRUE(near(actual[0], expected[0], 2e-5));
        EXPECT_TRUE(near(actual[1], expected[1], 2e-5));
      }
    }
  }
}

TEST(Divergence, BfloatAndStridedLogits) {
  for (const DivergenceKind kind : kKinds) {
    const torch::Tensor student = random({21, 9}, "student").to(torch::kBFloat16).t();  // [9, 21], columns contiguous
    const torch::Tensor teacher = random({9, 42}, "teacher").to(torch::kBFloat16).slice(1, 0, 42, 2);
    const torch::Tensor a = student.detach().requires_grad_(), b = teacher.detach().requires_grad_();
    const torch::Tensor wide_a = leaf(a.to(torch::kFloat32)), wide_b = leaf(b.to(torch::kFloat32));
    const torch::Tensor loss = divergence(a, b, {.kind = kind});
    const torch::Tensor expected = divergence_reference(wide_a, wide_b, {.kind = kind});
    EXPECT_EQ(loss.scalar_type(), torch::kFloat32);
    EXPECT_TRUE(near(loss, expected, 1e-5)) << enum_name(kind);
    const auto actual = gradients_of(loss, at::ones({9}), a, b);
    const auto exact = gradients_of(expected, at::ones({9}), wide_a, wide_b);
    EXPECT_EQ(actual[0].scalar_type(), torch::kBFloat16);
    EXPECT_TRUE(near(actual[0], exact[0], 5e-3, 1e-3)) << enum_name(kind);
    EXPECT_TRUE(near(actual[1], exact[1], 5e-3, 1e-3)) << enum_name(kind);
  }
}

TEST(Divergence, ExtremeLogitsStayFinite) {
  const torch::Tensor up = torch::tensor({{1e4f, -1e4f, 0.f}, {1e4f, 1e4f, -1e4f}});
  const torch::Tensor down = torch::tensor({{-1e4f, 1e4f, 0.f}, {1e4f, 1e4f, -1e4f}});
  for (const DivergenceKind kind : kKinds) {
    const torch::Tensor student = leaf(up), teacher = leaf(down);
    const torch::Tensor loss = divergence(student, teacher, {.kind = kind});
    const auto gradients = gradients_of(loss, at::ones({2}), student, teacher);
    for (const torch::Tensor& t : {loss, gradients[0], gradients[1]}) {
      EXPECT_TRUE(t.isfinite().all().item<bool>()) << enum_name(kind);
    }
    EXPECT_NEAR(loss[1].item<float>(), 0.f, 1e-6) << enum_name(kind);
  }
  // All teacher mass on the class the student gives e^-20000.
  EXPECT_FLOAT_EQ(divergence(up, down, {})[0].item<float>(), 2e4f);
}

TEST(Divergence, ClosedForms) {
  const torch::Tensor student = torch::tensor({{0.f, std::log(3.f)}});  // p = 1/4, 3/4
  const torch::Tensor teacher = torch::tensor({{0.f, 0.f}});            // q = 1/2, 1/2
  const auto value = [&](DivergenceKind kind) { return divergence(student, teacher, {.kind = kind}).item<float>(); };
  EXPECT_NEAR(value(DivergenceKind::kForwardKl), 0.5 * std::log(4.0 / 3), 1e-6);
  EXPECT_NEAR(value(DivergenceKind::kReverseKl), 0.25 * std::log(0.5) + 0.75 * std::log(1.5), 1e-6);
  EXPECT_NEAR(value(DivergenceKind::kL1), std::log(3.0) / 2, 1e-6);
  EXPECT_NEAR(value(DivergenceKind::kMse), std::log(3.0) * std::log(3.0) / 2, 1e-6);
  const double m[] = {0.375, 0.625}, p[] = {0.25, 0.75}, q[] = {0.5, 0.5};
  double js = 0;
  for (int c = 0; c < 2; ++c) js += 0.5 * m[c] * (std::log(m[c] / p[c]) + std::log(m[c] / q[c]));
  EXPECT_NEAR(value(DivergenceKind::kJensenShannon), js, 1e-6);
}

TEST(Divergence, TemperatureScalesOnlyTheKlKinds) {
  const torch::Tensor student = random({4, 10}, "student"), teacher = random({4, 10}, "teacher");
  for (const DivergenceKind kind : kKinds) {
    const bool kl = kind == DivergenceKind::kForwardKl || kind == DivergenceKind::kReverseKl;
    const torch::Tensor scaled = divergence(student, teacher, {.kind = kind, .temperature = 4});
    const torch::Tensor plain =
        divergence(student, teacher, {.kind = kind, .temperature = 4, .scale_by_temperature_squared = false});
    EXPECT_TRUE(near(scaled, plain * (kl ? 16 : 1), 1e-6)) << enum_name(kind);
  }
}

TEST(Divergence, EqualLogitsHaveNoLossAndNoGradient) {
  for (const DivergenceKind kind : kKinds) {
    const torch::Tensor student = leaf(random({6, 20}, "student")), teacher = leaf(student);
    const torch::Tensor loss = divergence(student, teacher, {.kind = kind});
    EXPECT_LT(loss.abs().max().item<float>(), 1e-6) << enum_name(kind);
    if (kind == DivergenceKind::kJensenShannon)
      continue;  // the clamps leave a gradient there, in the published form too
    for (const torch::Tensor& gradient : gradients_of(loss, at::ones({6}), student, teacher)) {
      EXPECT_LT(gradient.abs().max().item<float>(), 1e-6) << enum_name(kind);
    }
  }
}

TEST(Divergence, RowsOfWeightZeroAreNotRead) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const DivergenceKind kind : kKinds) {
    const torch::Tensor student = random({5, 12}, "student"), teacher = random({5, 12}, "teacher");
    const torch::Tensor expected = divergence(student, teacher, {.kind = kind});
    student.select(0, 2).fill_(nan);
    const torch::Tensor a = leaf(student), b = leaf(teacher);
    const torch::Tensor weights = torch::tensor({1.f, 0.5f, 0.f, 2.f, 0.f});
    const torch::Tensor loss = divergence(a, b, {.kind = kind}, weights);
    EXPECT_TRUE(near(loss, expected * weights, 1e-6)) << enum_name(kind);
    for (const torch::Tensor& gradient : gradients_of(loss, at::ones({5}), a, b)) {
      EXPECT_EQ(gradient[2].abs().max().item<float>(), 0.f) << enum_name(kind);
      EXPECT_EQ(gradient[4].abs().max().item<float>(), 0.f) << enum_name(kind);
      EXPECT_GT(gradient[3].abs().max().item<float>(), 0.f) << enum_name(kind);
    }
    const torch::Tensor none = divergence(a, b, {.kind = kind}, at::zeros({5}));
    EXPECT_EQ(none.abs().max().item<float>(), 0.f);
    EXPECT_EQ(gradients_of(none, at::ones({5}), a, b)[0].abs().max().item<float>(), 0.f);
  }
}

TEST(Divergence, OnlyTheGradientThatIsWanted) {
  const torch::Tensor student = leaf(random({5, 12}, "student")), teacher = random({5, 12}, "teacher");
  const torch::Tensor loss = divergence(student, teacher, {});
  const torch::Tensor expected = divergence_reference(student, teacher, {});
  EXPECT_TRUE(near(torch::autograd::grad({loss.sum()}, {student})[0],
                   torch::autograd::grad({expected.sum()}, {student})[0], 1e-5));
  torch::NoGradGuard no_grad;
  EXPECT_FALSE(divergence(student, teacher, {}).requires_grad());
}

TEST(Divergence, SameBitsForAnyNumberOfThreads) {
  const torch::Tensor student = random({300, 257}, "student"), teacher = random({300, 257}, "teacher");
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const torch::Tensor one = divergence(student, teacher, {});
  at::set_num_threads(3);
  EXPECT_TRUE(one.equal(divergence(student, teacher, {})));
  at::set_num_threads(threads);
}

TEST(AgreementMask, ComparesArgmax) {
  const torch::Tensor student = torch::tensor({{1.f, 2.f, 0.f}, {3.f, 2.f, 1.f}, {0.f, 0.f, 1.f}});
  const torch::Tensor teacher = torch::tensor({{5.f, 6.f, 5.f}, {1.f, 2.f, 3.f}, {-9.f, -8.f, -7.f}});
  EXPECT_TRUE(agreement_mask(student, teacher).equal(torch::tensor({1.f, 0.f, 1.f})));
  EXPECT_FALSE(agreement_mask(leaf(student), teacher).requires_grad());
}

template <class Exception, class Call>
std::string refusal(const Call& call) {
  try {
    call();
  } catch (const Exception& error) {
    return error.what();
  }
  return "";
}

TEST(Divergence, RefusesWhatDoesNotFit) {
  const torch::Tensor logits = random({4, 10}, "student");
  const auto input = [&](const torch::Tensor& s, const torch::Tensor& t, const torch::Tensor& w = {}) {
    return refusal<InputError>([&] { divergence(s, t, {}, w); });
  };
  EXPECT_NE(input(logits, random({4, 9}, "t")).find("[4, 10] and [4, 9]"), std::string::npos);
  EXPECT_NE(input(logits, logits.to(torch::kFloat64)).find("floating type"), std::string::npos);
  EXPECT_NE(input(at::zeros({0, 10}), at::zeros({0, 10})).find("[0, 10]"), std::string::npos);
  EXPECT_NE(input(at::zeros({3, 0}), at::zeros({3, 0})).find("[3, 0]"), std::string::npos);
  EXPECT_NE(input(torch::Tensor(), logits).find("undefined"), std::string::npos);
  EXPECT_NE(input(logits, logits, at::ones({3})).find("row_weights"), std::string::npos);
  EXPECT_NE(input(logits, logits, at::ones({4}).requires_grad_()).find("detach"), std::string::npos);
  for (const double temperature : {0.0, -1.0, std::nan("")}) {
    EXPECT_NE(refusal<ConfigError>([&] { divergence(logits, logits, {.temperature = temperature}); }), "");
  }
  const torch::Tensor student = leaf(logits);
  const torch::Tensor loss = divergence(student, random({4, 10}, "teacher"), {}).sum();
  EXPECT_NE(refusal<RunError>([&] { torch::autograd::grad({loss}, {student}, {}, true, true); }), "");
}

}  // namespace
}  // namespace drystill::kernels
