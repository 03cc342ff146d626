#include "generator/objective.h"

#include <gtest/gtest.h>

#include <cmath>

#include "io/safetensors.h"

namespace drystill::generator {
namespace {

// Golden values and gradients: tools/make_golden_generator.py (PyTorch).
class Objective : public ::testing::Test {
 protected:
  torch::Tensor leaf(const std::string& name) {
    auto tensor = golden_.tensors.at(name).clone();
    return tensor.set_requires_grad(true);
  }

  void expect_golden(const std::string& name, const torch::Tensor& value,
                     const std::map<std::string, torch::Tensor>& leaves) {
    EXPECT_NEAR(value.item<double>(), golden_.tensors.at(name).item<double>(), 2e-5) << name;
    value.backward();
    for (const auto& [leaf_name, tensor] : leaves) {
      const auto found = golden_.tensors.find(name + ".grad." + leaf_name);
      ASSERT_NE(found, golden_.tensors.end()) << name << " has no golden gradient for " << leaf_name;
      ASSERT_TRUE(tensor.grad().defined()) << name << " gives no gradient to " << leaf_name;
      EXPECT_LT((tensor.grad() - found->second).abs().max().item<double>(), 2e-5) << name << " by " << leaf_name;
    }
  }

  io::TensorFile golden_ = io::read_safetensors(DRYSTILL_GOLDEN_DIR "/generator/objective.safetensors");
};

TEST_F(Objective, OneHotEqualsPyTorch) {
  const auto teacher = leaf("teacher");
  expect_golden("one_hot", one_hot_loss(teacher), {{"teacher", teacher}});
}

TEST_F(Objective, ClassBalanceEqualsPyTorch) {
  const auto teacher = leaf("teacher");
  expect_golden("class_balance", class_balance_loss(teacher, 5), {{"teacher", teacher}});
}

TEST_F(Objective, ClassBalanceStaysFiniteWhereAClassMeanUnderflows) {
  auto teacher = torch::zeros({4, 3});
  teacher.select(1, 0).fill_(400);  // softmax of the others is exactly 0 in fp32
  teacher.set_requires_grad(true);
  const auto loss = class_balance_loss(teacher, 1);
  loss.backward();
  EXPECT_NEAR(loss.item<double>(), 0, 1e-6);
  EXPECT_TRUE(teacher.grad().isfinite().all().item<bool>());
}

TEST_F(Objective, ClassBalanceIsMinusLogCForUniformPredictions) {
  EXPECT_NEAR(class_balance_loss(torch::zeros({7, 10}), 1).item<double>(), -std::log(10.0), 1e-6);
}

TEST_F(Objective, ActivationEqualsPyTorch) {
  const auto features = leaf("features");
  expect_golden("activation", activation_loss(features), {{"features", features}});
}

TEST_F(Objective, TotalVariationEqualsPyTorch) {
  const auto images = leaf("images");
  expect_golden("total_variation", total_variation_loss(images), {{"images", images}});
}

TEST_F(Objective, AdversarialTermsEqualPyTorchInBothArguments) {
  const auto check = [this](const std::string& name, const ObjectiveOptions& options) {
    const auto teacher = leaf("teacher"), student = leaf("student");
    expect_golden(name, adversarial_loss(student, teacher, options), {{"teacher", teacher}, {"student", student}});
  };
  check("adversarial_kl", {.adversary = Adversary::kKl, .only_where_they_agree = true});
  check("adversarial_kl_all", {.adversary = Adversary::kKl, .only_where_they_agree = false});
  check("adversarial_l1", {.adversary = Adversary::kL1, .only_where_they_agree = false});
  check("adversarial_js", {.adversary = Adversary::kJs});
}

TEST_F(Objective, AdversarialTermIsLowWhereTheyDisagreeMore) {
  const auto teacher = torch::tensor({{2.0f, 0.0f}}), near = torch::tensor({{1.9f, 0.0f}}),
             far = torch::tensor({{0.1f, 0.0f}});
  for (const auto adversary : {Adversary::kKl, Adversary::kL1, Adversary::kJs}) {
    const ObjectiveOptions options{.adversary = adversary};
    EXPECT_LT(adversarial_loss(far, teacher, options).item<double>(),
              adversarial_loss(near, teacher, options).item<double>())
        << enum_name(adversary);
  }
}

}  // namespace
}  // namespace drystill::generator
