#include "kernels/universal_logit.h"

#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "core/error.h"
#include "core/seeds.h"
#include "tests/kernels/matchers.h"
#include "tests/support/gradient_check.h"

namespace drystill::kernels {
namespace {

torch::Tensor universal_logits(std::vector<std::int64_t> shape, const std::string& name) {
  SeedStreams seeds(15);
  return at::randn(shape, seeds.cpu_stream(name), torch::kFloat64);
}

TEST(UniversalLogit, ClosedForm) {
  // p = 3/4, 1/4; q = 1/2, 1/4, 1/4: sorted and padded, |1/4| + 0 + |1/4|.
  const torch::Tensor student = torch::tensor({{0.f, std::log(3.f)}});
  const torch::Tensor teacher = torch::tensor({{0.f, std::log(2.f), 0.f}});
  EXPECT_NEAR(universal_logit_distance(student, teacher).item<float>(), .5, 1e-6);
  EXPECT_NEAR(universal_logit_distance(teacher, student).item<float>(), .5, 1e-6);
}

TEST(UniversalLogit, OrderOfWordsDoesNotMatter) {
  const torch::Tensor student = universal_logits({4, 9}, "student"), teacher = universal_logits({4, 13}, "teacher");
  EXPECT_TRUE(testing::near(universal_logit_distance(student.flip(1), teacher),
                            universal_logit_distance(student, teacher), 1e-14));
  EXPECT_LT(universal_logit_distance(student, student.flip(1)).abs().max().item<double>(), 1e-14);
}

TEST(UniversalLogit, GradientInFloat64) {
  const torch::Tensor teacher = universal_logits({3, 9}, "teacher");
  for (const std::int64_t words : {5, 9, 12}) {
    const auto function = [&](const std::vector<torch::Tensor>& inputs) {
      return universal_logit_distance(inputs[0], teacher, 1.5, torch::tensor({1., .5, 2.}, torch::kFloat64)).sum();
    };
    EXPECT_EQ(testing::gradient_mismatch(function, {universal_logits({3, words}, "student").requires_grad_()}), "");
  }
}

TEST(UniversalLogit, RowsOfWeightZeroAreNotRead) {
  const torch::Tensor student = universal_logits({2, 5}, "student"), teacher = universal_logits({2, 7}, "teacher");
  student.select(0, 1).fill_(NAN);
  student.requires_grad_();
  const torch::Tensor distance = universal_logit_distance(student, teacher, 1, torch::tensor({1., 0.}));
  EXPECT_EQ(distance[1].item<double>(), 0);
  const torch::Tensor gradient = torch::autograd::grad({distance.sum()}, {student})[0];
  EXPECT_EQ(gradient[1].abs().max().item<double>(), 0);
  EXPECT_GT(gradient[0].abs().max().item<double>(), 0);
}

TEST(UniversalLogit, RefusesWhatDoesNotFit) {
  const torch::Tensor logits = at::zeros({2, 5});
  EXPECT_THROW(universal_logit_distance(logits, at::zeros({3, 5})), InputError);
  EXPECT_THROW(universal_logit_distance(logits, {}), InputError);
  EXPECT_THROW(universal_logit_distance(logits, logits, 0), ConfigError);
  EXPECT_THROW(universal_logit_distance(logits, logits, 1, at::ones({3})), InputError);
}

}  // namespace
}  // namespace drystill::kernels
