#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "language/models/attention_mask.h"
#include "tests/language/models/tiny_models.h"

namespace drystill::language::testing {
namespace {

constexpr double kTolerance = 2e-5;  // logits are of size 1 to 10

class EveryFamily : public ::testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(Golden, EveryFamily,
                         ::testing::Values("llama", "llama_untied", "llama3", "llama_linear", "mistral", "qwen2",
                                           "qwen3", "gpt2"),
                         [](const auto& test) { return std::string(test.param); });

TEST_P(EveryFamily, LogitsAndStatesEqualThoseOfTransformers) {
  const torch::NoGradGuard no_grad;
  const auto model = golden_model(GetParam());
  const auto expected = golden_values(GetParam());
  std::vector<torch::Tensor> states;
  const TokenBatch batch{.ids = expected.at("ids"), .mask = {}, .positions = {}};
  const auto hidden = model->hidden(batch, {.cache = nullptr, .prefix = nullptr, .layer_states = &states});
  EXPECT_LT(max_difference(model->head(hidden), expected.at("logits")), kTolerance);
  ASSERT_EQ(states.size(), 3U);
  EXPECT_LT(max_difference(states[0], expected.at("states.0")), kTolerance);
  EXPECT_LT(max_difference(states[1], expected.at("states.1")), kTolerance);
  EXPECT_LT(max_difference(hidden, expected.at("states.2")), kTolerance);  // transformers gives the last one normed
}

TEST_P(EveryFamily, PaddingOnEitherSideLeavesTokensAlone) {
  const torch::NoGradGuard no_grad;
  const auto model = golden_model(GetParam());
  const auto expected = golden_values(GetParam());
  const auto ids = expected.at("ids"), lengths = expected.at("lengths");
  const auto right = right_mask(lengths, 12);
  const auto right_logits = model->logits({.ids = ids, .mask = right, .positions = {}});
  const auto left = right.flip(1);
  auto left_ids = at::zeros_like(ids);
  for (std::int64_t row = 0; row < 3; ++row) {
    const auto length = lengths[row].item<std::int64_t>();
    left_ids[row].narrow(0, 12 - length, length).copy_(ids[row].narrow(0, 0, length));
  }
  const auto left_logits = model->logits({.ids = left_ids, .mask = left, .positions = {}});
  EXPECT_TRUE(left_logits.isfinite().all().item<bool>());
  for (std::int64_t row = 0; row < 3; ++row) {
    const auto length = lengths[row].item<std::int64_t>();
    EXPECT_LT(
        max_difference(right_logits[row].narrow(0, 0, length), expected.at("right_logits")[row].narrow(0, 0, length)),
        kTolerance);
    EXPECT_LT(max_difference(left_logits[row].narrow(0, 12 - length, length),
                             expected.at("left_logits")[row].narrow(0, 12 - length, length)),
              kTolerance);
  }
}

TEST_P(EveryFamily, CachedDecodingEqualsTheWholeForwardPass) {
  const torch::NoGradGuard no_grad;
  const auto model = golden_model(GetParam());
  const auto expected = golden_values(GetParam());
  const auto ids = expected.at("ids");
  KvCache cache(model->options(), 3, 12);
  std::vector<torch::Tensor> parts;
  std::int64_t begin = 0;
  for (const std::int64_t count : {5, 1, 1, 4, 1}) {  // a prompt, single tokens, a chunk behind them
    const TokenBatch batch{.ids = ids.narrow(1, begin, count), .mask = {}, .positions = {}};
    parts.push_back(model->logits(batch, {.cache = &cache, .prefix = nullptr, .layer_states = nullptr}));
    begin += count;
  }
  EXPECT_LT(max_difference(at::cat(parts, 1), expected.at("logits")), kTolerance);
}

TEST_P(EveryFamily, LeftPaddedPromptsDecodeAsIfAlone) {
  const torch::NoGradGuard no_grad;
  const auto model = golden_model(GetParam());
  const auto expected = golden_values(GetParam());
  const auto ids = expected.at("ids");
  // Row i holds the first prompts[i] tokens behind padding, then the next 4 one at a time.
  const std::vector<std::int64_t> prompts = {8, 3, 1};
  auto padded = at::zeros({3, 8}, torch::kInt64);
  for (std::int64_t row = 0; row < 3; ++row) {
    const auto n = prompts[static_cast<std::size_t>(row)];
    padded[row].narrow(0, 8 - n, n).copy_(ids[row].narrow(0, 0, n));
  }
  KvCache cache(model->options(), 3, 12);
  const ForwardOptions with_cache{.cache = &cache, .prefix = nullptr, .layer_states = nullptr};
  model->hidden({.ids = padded, .mask = right_mask(at::tensor(prompts), 8).flip(1), .positions = {}}, with_cache);
  for (std::int64_t step = 0; step < 4; ++step) {
    auto next = at::empty({3, 1}, torch::kInt64);
    for (std::int64_t row = 0; row < 3; ++row) next[row] = ids[row][prompts[static_cast<std::size_t>(row)] + step];
    const auto logits = model->logits({.ids = next, .mask = {}, .positions = {}}, with_cache);
    for (std::int64_t row = 0; row < 3; ++row) {
      const auto place = prompts[static_cast<std::size_t>(row)] + step;
      EXPECT_LT(max_difference(logits[row][0], expected.at("logits")[row][place]), kTolerance) << "row " << row;
    }
  }
}

TEST_P(EveryFamily, Bfloat16StaysNear) {
  const torch::NoGradGuard no_grad;
  const auto expected = golden_values(GetParam());
  const TokenBatch batch{.ids = expected.at("ids"), .mask = {}, .positions = {}};
  const auto scale = expected.at("logits").std().item<double>();
  const auto model = golden_model(GetParam(), torch::kBFloat16);
  const auto logits = model->logits(batch);
  EXPECT_EQ(logits.scalar_type(), torch::kBFloat16);
  EXPECT_LT((logits.to(torch::kFloat32) - expected.at("logits")).square().mean().sqrt().item<double>(), 0.05 * scale);
  // float32 weights that are bfloat16 numbers, bfloat16 activations: the same arithmetic
  const auto mixed = golden_model(GetParam());
  mixed->set_compute_dtype(torch::kBFloat16);
  EXPECT_LT(max_difference(mixed->logits(batch), logits), 0.02 * scale);
}

class WithGradients : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Golden, WithGradients, ::testing::Values("llama", "qwen3", "gpt2"),
                         [](const auto& test) { return std::string(test.param); });

TEST_P(WithGradients, GradientsEqualThoseOfTransformersWithAndWithoutCheckpointing) {
  const auto expected = golden_values(GetParam());
  for (const bool checkpointing : {false, true}) {
    const auto model = golden_model(GetParam());
    model->set_gradient_checkpointing(checkpointing);
    const auto ids = expected.at("ids");
    const auto loss = next_token_loss(model->logits({.ids = ids, .mask = {}, .positions = {}}), ids);
    EXPECT_NEAR(loss.item<double>(), expected.at("loss").item<double>(), 1e-5);
    loss.backward();
    for (const auto& item : model->named_parameters()) {
      const auto& gradient = item.value().grad();
      ASSERT_TRUE(gradient.defined()) << item.key();
      const auto sample = gradient.reshape({-1}).slice(0, 0, std::nullopt, 5);
      const auto& wanted = expected.at("gradient." + item.key());
      ASSERT_EQ(sample.sizes(), wanted.sizes()) << item.key();
      EXPECT_LT(max_difference(sample, wanted), 1e-5 + 1e-4 * wanted.abs().max().item<double>()) << item.key();
    }
  }
}

TEST(CausalLmGolden, BatchOfOneAndPaddedBatchHaveTheSameLoss) {
  const torch::NoGradGuard no_grad;
  const auto model = golden_model("llama");
  const auto expected = golden_values("llama");
  const auto ids = expected.at("ids");
  const auto alone = ids[1].narrow(0, 0, 7).unsqueeze(0);
  const double wanted =
      next_token_loss(model->logits({.ids = alone, .mask = {}, .positions = {}}), alone).item<double>();
  const auto mask = right_mask(expected.at("lengths"), 12);
  const auto logits = model->logits({.ids = ids, .mask = mask, .positions = {}});
  const double padded = next_token_loss(logits.narrow(0, 1, 1).narrow(1, 0, 7), alone).item<double>();
  EXPECT_NEAR(padded, wanted, 1e-5);
}

}  // namespace
}  // namespace drystill::language::testing
