#include "generator/soft_targets.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/seeds.h"
#include "tests/generator/synthesis_fixture.h"

namespace drystill::generator {
namespace {

TEST(SoftTargets, ClassTargetsTakeTheClassesInTurn) {
  EXPECT_TRUE(class_targets(5, 3).equal(
      torch::tensor({{1.f, 0.f, 0.f}, {0.f, 1.f, 0.f}, {0.f, 0.f, 1.f}, {1.f, 0.f, 0.f}, {0.f, 1.f, 0.f}})));
}

TEST(SoftTargets, SimilarityIsTheScaledCosineOfTheLastLayersRows) {
  SeedStreams seeds(1);
  const auto model = vision::make_classifier("lenet5", testing::tiny_image(), seeds.cpu_stream("model"));
  const auto weight = model->named_parameters()["fc2.weight"];
  const auto similarity = class_similarity(*model, 10);
  for (std::int64_t i = 0; i < 10; ++i) {
    std::vector<double> cosine;
    for (std::int64_t j = 0; j < 10; ++j) {
      cosine.push_back((weight[i].dot(weight[j]) / weight[i].norm() / weight[j].norm()).item<double>());
    }
    const auto [low, high] = std::minmax_element(cosine.begin(), cosine.end());
    for (std::int64_t j = 0; j < 10; ++j) {
      EXPECT_NEAR(similarity[i][j].item<double>(), (cosine[static_cast<std::size_t>(j)] - *low) / (*high - *low), 1e-5);
    }
    EXPECT_EQ(similarity[i].argmax().item<std::int64_t>(), i) << "a class is most like itself";
  }
}

TEST(SoftTargets, ATeacherWithoutSuchALayerIsRefused) {
  SeedStreams seeds(1);
  const auto model = vision::make_classifier("lenet5", testing::tiny_image(), seeds.cpu_stream("model"));
  EXPECT_THROW(class_similarity(*model, 7), ConfigError);
}

TEST(SoftTargets, DirichletDrawsHaveTheMeanOfTheirConcentration) {
  SeedStreams seeds(1);
  const auto similarity = torch::tensor({{1.f, 0.5f, 0.f}, {0.25f, 1.f, 0.f}, {0.f, 0.5f, 1.f}});
  const auto targets = dirichlet_targets(similarity, 30000, seeds.cpu_stream("targets"));
  EXPECT_LT((targets.sum(1) - 1).abs().max().item<double>(), 1e-5);
  const auto mean = targets.view({10000, 3, 3}).mean(0);
  const auto concentration = similarity.clamp_min(0.01);
  // The scale beta cancels in the mean, a / sum a; the standard error is below 0.005.
  EXPECT_LT((mean - concentration / concentration.sum(1, true)).abs().max().item<double>(), 0.02);
}

TEST(SoftTargets, LossIsTimesTheTemperatureSoThatTheGradientIsPMinusY) {
  auto logits = torch::tensor({{2.0, -1.0, 0.5}, {0.0, 3.0, 1.0}}, torch::kFloat64).requires_grad_(true);
  const auto targets = torch::tensor({{0.2, 0.3, 0.5}, {0.0, 1.0, 0.0}}, torch::kFloat64);
  const auto loss = target_loss(logits, targets, 20);
  loss.backward();
  const auto expected = ((logits.detach() / 20).softmax(1) - targets) / 2;
  EXPECT_LT((logits.grad() - expected).abs().max().item<double>(), 1e-6);
  double by_hand = 0;
  for (int i = 0; i < 2; ++i) {
    double total = 0;
    for (int j = 0; j < 3; ++j) total += std::exp(logits[i][j].item<double>() / 20);
    for (int j = 0; j < 3; ++j) {
      by_hand -= targets[i][j].item<double>() * (logits[i][j].item<double>() / 20 - std::log(total));
    }
  }
  EXPECT_NEAR(loss.item<double>(), by_hand / 2 * 20, 1e-5);
}

}  // namespace
}  // namespace drystill::generator
