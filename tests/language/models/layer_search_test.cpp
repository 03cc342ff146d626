#include "language/models/layer_search.h"

#include <gtest/gtest.h>

#include <limits>

#include "core/error.h"
#include "language/models/layer_subset.h"
#include "tests/language/models/tiny_models.h"

namespace drystill::language {
namespace {

// Four layers, wide initial weights: each changes the predictions.
std::shared_ptr<CausalLm> deep_model(Family family) {
  TransformerOptions options = defaults_of(family);
  options.vocab_size = 31;
  options.hidden_size = 16;
  options.intermediate_size = 24;
  options.layers = 4;
  options.heads = options.kv_heads = 2;
  options.head_dim = 8;
  options.max_positions = 32;
  options.initializer_range = 0.4;
  auto model = std::make_shared<CausalLm>(options);
  model->initialise(at::detail::createCPUGenerator(3));
  model->freeze();
  return model;
}

torch::Tensor some_ids() {
  return at::randint(31, {3, 16}, at::detail::createCPUGenerator(5), torch::kInt64);
}

// KL(whole || the same with these layers only) at positions 3, 7, 11, ..., by whole models of their own.
double divergence(const CausalLm& whole, const std::vector<std::int64_t>& layers, const torch::Tensor& ids) {
  const auto log_probs = [&](const CausalLm& model) {
    return at::log_softmax(model.logits({.ids = ids}).slice(1, 3, std::nullopt, 4), -1);
  };
  const torch::Tensor p = log_probs(whole), q = log_probs(*make_from_layers(whole, layers));
  return (p.exp() * (p - q)).sum(-1).mean().item<double>();
}

TEST(LayerSearch, DropsTheLayerThatIsMissedLeastEachTime) {
  const torch::NoGradGuard no_grad;
  for (const Family family : {Family::kLlama, Family::kGpt2}) {
    const auto model = deep_model(family);
    const torch::Tensor ids = some_ids();
    std::vector<DroppedLayer> told;
    const LayerSearch found = search_layers(*model, ids, 1, [&](const DroppedLayer& layer) { told.push_back(layer); });
    ASSERT_EQ(found.dropped.size(), 3);
    ASSERT_EQ(told.size(), 3);
    std::vector<std::int64_t> left = {0, 1, 2, 3};
    for (const DroppedLayer& dropped : found.dropped) {
      double least = std::numeric_limits<double>::infinity();
      std::int64_t expected = -1;
      for (const std::int64_t candidate : left) {
        auto rest = left;
        std::erase(rest, candidate);
        const double value = divergence(*model, rest, ids);
        if (value < least) {
          least = value;
          expected = candidate;
        }
      }
      EXPECT_EQ(dropped.layer, expected);
      EXPECT_NEAR(dropped.divergence, least, 1e-5 * std::max(1.0, least));
      std::erase(left, dropped.layer);
    }
    EXPECT_EQ(found.kept, left);
  }
}

TEST(LayerSearch, FindsALayerThatDoesNothing) {
  const torch::NoGradGuard no_grad;
  const auto model = deep_model(Family::kLlama);
  for (auto& item : model->named_parameters()) {
    const bool into_stream = item.key().ends_with("o_proj.weight") || item.key().ends_with("down_proj.weight");
    if (item.key().starts_with("model.layers.2.") && into_stream) item.value().zero_();
  }
  const LayerSearch found = search_layers(*model, some_ids(), 3);
  EXPECT_EQ(found.kept, (std::vector<std::int64_t>{0, 1, 3}));
  EXPECT_NEAR(found.dropped.front().divergence, 0, 1e-6);
}

TEST(LayerSearch, FindsTheSameAFewTextsAtATime) {
  const auto model = deep_model(Family::kLlama);
  const LayerSearch together = search_layers(*model, some_ids(), 1);
  constexpr std::int64_t kOfTwo = std::int64_t{2} * 5 * 31;  // logits of two texts; there are three
  for (const std::int64_t most_logits : {std::int64_t{1}, kOfTwo}) {
    const LayerSearch apart = search_layers(*model, some_ids(), 1, {}, most_logits);
    EXPECT_EQ(apart.kept, together.kept);
    ASSERT_EQ(apart.dropped.size(), together.dropped.size());
    for (std::size_t i = 0; i < apart.dropped.size(); ++i) {
      const double expected = together.dropped[i].divergence;
      EXPECT_EQ(apart.dropped[i].layer, together.dropped[i].layer);
      EXPECT_NEAR(apart.dropped[i].divergence, expected, 1e-5 * std::max(1.0, expected));
    }
  }
}

TEST(LayerSearch, RefusesCountsThatTheModelDoesNotHave) {
  const auto model = deep_model(Family::kLlama);
  EXPECT_TRUE(search_layers(*model, some_ids(), 4).dropped.empty());
  EXPECT_THROW(search_layers(*model, some_ids(), 0), ConfigError);
  EXPECT_THROW(search_layers(*model, some_ids(), 5), ConfigError);
}

}  // namespace
}  // namespace drystill::language
