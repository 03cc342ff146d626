#include "language/sampling/inference_engine.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <csignal>
#include <numeric>
#include <random>

#include "core/error.h"
#include "core/seeds.h"
#include "core/stop_request.h"
#include "language/sampling/generate.h"

namespace drystill::language {
namespace {

using Ids = std::vector<std::int64_t>;

TransformerOptions tiny(Family family) {
  TransformerOptions options = defaults_of(family);
  options.vocab_size = 150;
  options.hidden_size = 48;
  options.layers = 3;
  options.heads = 6;
  options.kv_heads = family == Family::kGpt2 ? 6 : 2;
  options.head_dim = family == Family::kQwen3 ? 20 : 8;  // qwen3: heads * head_dim is not hidden_size
  options.intermediate_size = 70;
  options.max_positions = 600;
  return options;
}

// Weights large enough that logits differ, and biases and norms that are not 0 and 1.
std::shared_ptr<CausalLm> random_model(const TransformerOptions& options) {
  const c10::NoGradGuard no_gradient;
  auto model = std::make_shared<CausalLm>(options);
  SeedStreams seeds(5);
  for (auto& item : model->named_parameters()) {
    torch::Tensor values = item.value();
    const bool matrix = values.dim() == 2;
    values.copy_((matrix ? 0.3 : 0.5) * at::randn(values.sizes(), seeds.cpu_stream(item.key()), torch::kFloat32));
    if (!matrix && item.key().ends_with("weight")) values += 1;
  }
  return model;
}

Ids random_ids(std::int64_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Ids ids;
  for (std::int64_t i = 0; i < count; ++i) ids.push_back(static_cast<std::int64_t>(random() % 150));
  return ids;
}

// [T, V] of the model itself.
torch::Tensor model_logits(const CausalLm& model, const Ids& ids) {
  const c10::NoGradGuard no_gradient;
  return model.logits({.ids = at::tensor(ids, torch::kInt64).unsqueeze(0), .mask = {}, .positions = {}})[0];
}

double distance(const torch::Tensor& a, const torch::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

class InferenceEngineFamilies : public ::testing::TestWithParam<Family> {};

TEST_P(InferenceEngineFamilies, LogitsOfTheModel) {
  const auto model = random_model(tiny(GetParam()));
  const InferenceEngine engine(*model);
  // Ragged prompts, one longer than a page and one longer than a block of rows; then token by token.
  std::vector<Ids> texts = {random_ids(1, 1), random_ids(7, 2), random_ids(64, 3), random_ids(500, 4)};
  std::vector<Sequence> sequences(texts.size());
  std::vector<TokenRun> runs;
  for (std::size_t i = 0; i < texts.size(); ++i) runs.push_back({&sequences[i], texts[i]});
  torch::Tensor logits = engine.forward(runs);
  for (int step = 0; step < 4; ++step) {
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const torch::Tensor expected = model_logits(*model, texts[i])[-1];
      EXPECT_LT(distance(logits[static_cast<std::int64_t>(i)], expected),
                1e-4 * (1 + expected.abs().max().item<double>()))
          << "text " << i << " step " << step;
      EXPECT_EQ(sequences[i].length(), static_cast<std::int64_t>(texts[i].size()));
    }
    std::vector<Ids> next;
    for (std::size_t i = 0; i < texts.size(); ++i)
      next.push_back({(step * 31 + static_cast<std::int64_t>(i) * 7) % 150});
    for (std::size_t i = 0; i < texts.size(); ++i) {
      texts[i].push_back(next[i][0]);
      runs[i].ids = next[i];
    }
    logits = engine.forward(runs);
  }
}

// Not farther from the exact logits than the model itself is when it computes in bfloat16.
TEST_P(InferenceEngineFamilies, Bfloat16IsAsNearAsTheModel) {
  const auto model = random_model(tiny(GetParam()));
  const InferenceEngine engine(*model, torch::kBFloat16);
  EXPECT_EQ(engine.dtype(), torch::kBFloat16);
  const Ids ids = random_ids(80, 6);
  const torch::Tensor exact = model_logits(*model, ids);
  model->set_compute_dtype(torch::kBFloat16);
  const auto error_of = [](const torch::Tensor& a, const torch::Tensor& b) {
    return (a.to(torch::kFloat32) - b).square().mean().sqrt().item<double>();
  };
  std::vector<torch::Tensor> logits;
  for (std::size_t t = 1; t <= ids.size(); ++t) {
    Sequence sequence = engine.start();
    const TokenRun run{&sequence, std::span(ids).first(t)};
    logits.push_back(engine.forward({&run, 1}));
  }
  EXPECT_LT(error_of(at::cat(logits), exact), error_of(model_logits(*model, ids), exact));
}

TEST_P(InferenceEngineFamilies, TokenLogProbs) {
  const auto model = random_model(tiny(GetParam()));
  const InferenceEngine engine(*model);
  const Ids ids = random_ids(230, 8);
  const torch::Tensor expected = at::log_softmax(model_logits(*model, ids), 1);
  const std::vector<float> scores = engine.token_log_probs(ids);
  ASSERT_EQ(scores.size(), ids.size() - 1);
  for (std::size_t t = 1; t < ids.size(); ++t) {
    EXPECT_NEAR(scores[t - 1], expected[static_cast<std::int64_t>(t) - 1][ids[t]].item<float>(), 3e-4);
  }
  EXPECT_TRUE(engine.token_log_probs(Ids{3}).empty());
}

INSTANTIATE_TEST_SUITE_P(Families, InferenceEngineFamilies,
                         ::testing::Values(Family::kLlama, Family::kMistral, Family::kQwen2, Family::kQwen3,
                                           Family::kGpt2),
                         [](const auto& test) { return std::string(enum_name(test.param)); });

TEST(InferenceEngine, RowsDoNotDependOnTheBatch) {
  for (const auto dtype : {torch::kFloat32, torch::kBFloat16}) {
    const auto model = random_model(tiny(Family::kLlama));
    const InferenceEngine engine(*model, dtype);
    std::vector<Ids> texts;
    for (int i = 0; i < 37; ++i) texts.push_back(random_ids(1 + i * 3, static_cast<std::uint64_t>(i)));
    std::vector<Sequence> sequences(texts.size());
    std::vector<TokenRun> runs;
    for (std::size_t i = 0; i < texts.size(); ++i) runs.push_back({&sequences[i], texts[i]});
    const torch::Tensor together = engine.forward(runs);
    for (std::size_t i = 0; i < texts.size(); i += 6) {
      Sequence alone = engine.start();
      const TokenRun run{&alone, texts[i]};
      EXPECT_TRUE(engine.forward({&run, 1})[0].equal(together[static_cast<std::int64_t>(i)])) << i;
    }
  }
}

TEST(InferenceEngine, ForksGoTheirOwnWays) {
  const auto model = random_model(tiny(Family::kLlama));
  const InferenceEngine engine(*model);
  for (const std::int64_t length : {5, 64, 100}) {
    Ids ids = random_ids(length, 9);
    Sequence first = engine.start();
    const TokenRun run{&first, ids};
    engine.forward({&run, 1});
    Sequence second = first.fork();
    const Ids one = {1}, two = {2};
    const std::vector<TokenRun> runs = {{&first, one}, {&second, two}};
    const torch::Tensor logits = engine.forward(runs);
    ids.push_back(1);
    EXPECT_LT(distance(logits[0], model_logits(*model, ids)[-1]), 1e-3);
    ids.back() = 2;
    EXPECT_LT(distance(logits[1], model_logits(*model, ids)[-1]), 1e-3);
  }
}

TEST(InferenceEngine, PrefixOfKeysAndValues) {
  const c10::NoGradGuard no_gradient;
  const auto model = random_model(tiny(Family::kLlama));
  const InferenceEngine engine(*model);
  SeedStreams seeds(2);
  PrefixKeyValues prefix;
  for (int layer = 0; layer < 3; ++layer) {
    prefix.keys.push_back(at::randn({1, 2, 70, 8}, seeds.cpu_stream("keys"), torch::kFloat32));
    prefix.values.push_back(at::randn({1, 2, 70, 8}, seeds.cpu_stream("values"), torch::kFloat32));
  }
  const Ids ids = random_ids(9, 3);
  Sequence sequence = engine.start(prefix);
  EXPECT_EQ(sequence.length(), 70);
  const TokenRun run{&sequence, ids};
  const torch::Tensor expected =
      model->logits({.ids = at::tensor(ids, torch::kInt64).unsqueeze(0), .mask = {}, .positions = {}},
                    {.cache = nullptr, .prefix = &prefix, .layer_states = nullptr})[0][-1];
  EXPECT_LT(distance(engine.forward({&run, 1})[0], expected), 1e-3);
  prefix.keys[1] = prefix.keys[1].slice(2, 0, 69);
  EXPECT_THROW((void)engine.start(prefix), InputError);
}

TEST(InferenceEngine, MergesLowRankBranches) {
  const auto model = random_model(tiny(Family::kLlama));
  SeedStreams seeds(2);
  auto branch = std::make_shared<LowRank>();
  branch->a = at::randn({4, 48}, seeds.cpu_stream("a"), torch::kFloat32);
  branch->b = at::randn({16, 4}, seeds.cpu_stream("b"), torch::kFloat32);
  branch->scale = 0.5;
  const Ids ids = random_ids(9, 3);
  const torch::Tensor before = model_logits(*model, ids)[-1];
  model->linears()["model.layers.1.self_attn.v_proj"]->set_low_rank(branch);
  const torch::Tensor expected = model_logits(*model, ids)[-1];
  EXPECT_GT(distance(before, expected), 0.1);
  const InferenceEngine engine(*model);
  Sequence sequence = engine.start();
  const TokenRun run{&sequence, ids};
  EXPECT_LT(distance(engine.forward({&run, 1})[0], expected), 1e-3);
}

TEST(InferenceEngine, StopsWithinAPromptWhereASignalAsks) {
  const auto model = random_model(tiny(Family::kLlama));
  const InferenceEngine engine(*model);
  const Ids ids = random_ids(500, 3);
  Sequence sequence = engine.start();
  const TokenRun run{&sequence, ids};
  request_stop(SIGTERM);
  EXPECT_THROW(engine.forward({&run, 1}), Interrupted);
  EXPECT_THROW(engine.token_log_probs(ids), Interrupted);
  request_stop(0);
}

TEST(InferenceEngine, RefusesWhatDoesNotFit) {
  const auto model = random_model(tiny(Family::kLlama));
  const auto engine_of = [&](torch::ScalarType dtype) { return InferenceEngine(*model, dtype); };
  EXPECT_THROW((void)engine_of(torch::kFloat16), ConfigError);
  const InferenceEngine engine(*model);
  Sequence sequence = engine.start();
  for (const Ids& ids : {Ids{}, Ids{150}, Ids{-1}, Ids(601, 1)}) {
    const TokenRun run{&sequence, ids};
    EXPECT_THROW(engine.forward({&run, 1}), InputError);
    EXPECT_EQ(sequence.length(), 0);
  }
  const Ids one = {1};
  const std::vector<TokenRun> twice = {{&sequence, one}, {&sequence, one}};
  EXPECT_THROW(engine.forward(twice), InputError);
}

}  // namespace
}  // namespace drystill::language
