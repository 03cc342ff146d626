#include "language/adapters/kv_prefix.h"

#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/language/models/tiny_models.h"
#include "tests/support/temporary_folder.h"

namespace drystill::language::testing {
namespace {

using drystill::testing::TemporaryFolder;

constexpr std::int64_t kContext = 5;

class PrefixFamilies : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Golden, PrefixFamilies, ::testing::Values("llama", "llama3", "qwen3", "gpt2"),
                         [](const auto& test) { return std::string(test.param); });

TEST_P(PrefixFamilies, FromTextEqualsTheTextInContext) {
  const torch::NoGradGuard no_grad;
  const auto model = golden_model(GetParam());
  const auto ids = golden_values(GetParam()).at("ids");
  const auto context = ids[0].narrow(0, 0, kContext);
  auto whole = ids.clone();
  whole.narrow(1, 0, kContext).copy_(context.expand({3, -1}));
  const auto expected = model->logits({.ids = whole, .mask = {}, .positions = {}}).narrow(1, kContext, 7);

  const auto prefix = KvPrefix::from_text(*model, context);
  EXPECT_EQ(prefix->length(), kContext);
  const auto before = prefix->key_values();
  const auto text = ids.narrow(1, kContext, 7);
  const ForwardOptions with_prefix{.cache = nullptr, .prefix = &before, .layer_states = nullptr};
  EXPECT_LT(max_difference(model->logits({.ids = text, .mask = {}, .positions = {}}, with_prefix), expected), 1e-5);

  KvCache cache(model->options(), 3,
                kContext + 7);  // generation: the prefix in the cache, a prompt, then token by token
  prefix->fill(cache);
  const ForwardOptions with_cache{.cache = &cache, .prefix = nullptr, .layer_states = nullptr};
  std::vector<torch::Tensor> parts;
  std::int64_t begin = 0;
  for (const std::int64_t count : {4, 1, 1, 1}) {
    parts.push_back(model->logits({.ids = text.narrow(1, begin, count), .mask = {}, .positions = {}}, with_cache));
    begin += count;
  }
  EXPECT_LT(max_difference(at::cat(parts, 1), expected), 1e-5);
}

TEST(KvPrefix, PaddedTextsBehindAPrefixAreAsIfAlone) {
  const torch::NoGradGuard no_grad;
  const auto model = golden_model("llama");
  const auto ids = golden_values("llama").at("ids");
  const auto before = KvPrefix::from_text(*model, ids[0].narrow(0, 0, kContext))->key_values();
  const ForwardOptions with_prefix{.cache = nullptr, .prefix = &before, .layer_states = nullptr};
  const auto alone = ids[1].narrow(0, 0, 3).unsqueeze(0);
  const auto expected = model->logits({.ids = alone, .mask = {}, .positions = {}}, with_prefix);
  const auto left = at::cat({at::zeros({1, 2}, torch::kInt64), alone}, 1);
  const auto mask = at::tensor({0, 0, 1, 1, 1}).to(torch::kBool).unsqueeze(0);
  const auto got = model->logits({.ids = left, .mask = mask, .positions = {}}, with_prefix).narrow(1, 2, 3);
  EXPECT_LT(max_difference(got, expected), 1e-5);
}

TEST(KvPrefix, LearnsAllButItsFrozenEntriesWithAndWithoutCheckpointing) {
  torch::Tensor plain;
  for (const bool checkpointing : {false, true}) {
    const auto model = golden_model("llama");
    model->freeze();
    model->set_gradient_checkpointing(checkpointing);
    const auto ids = golden_values("llama").at("ids");
    const auto prefix = KvPrefix::from_text(*model, ids[0].narrow(0, 0, kContext), 2);
    ASSERT_EQ(prefix->parameters().size(), 2U);
    const auto before = prefix->key_values();
    const auto logits = model->logits({.ids = ids, .mask = {}, .positions = {}},
                                      {.cache = nullptr, .prefix = &before, .layer_states = nullptr});
    next_token_loss(logits, ids).backward();
    for (const auto& parameter : prefix->parameters()) {
      ASSERT_TRUE(parameter.grad().defined());
      EXPECT_EQ(parameter.size(2), kContext - 2);
      EXPECT_TRUE((parameter.grad().abs().amax({1, 2, 3}) > 0).all().item<bool>());  // every layer
    }
    const auto gradient = prefix->parameters().front().grad();
    if (checkpointing) {
      EXPECT_LT(max_difference(gradient, plain), 1e-6);
    }
    plain = gradient;
  }
}

std::shared_ptr<KvPrefix> random_prefix(const TransformerOptions& model, std::int64_t length, std::int64_t frozen) {
  auto generator = at::detail::createCPUGenerator(5);
  const auto keys_and_values =
      at::randn({2, model.layers, model.kv_heads, length, model.head_dim}, generator, torch::kFloat32);
  return std::make_shared<KvPrefix>(keys_and_values[0], keys_and_values[1], frozen, model.rope);
}

TEST(KvPrefix, IsSavedWithAllItIsFor) {
  const TemporaryFolder folder;
  const auto path = folder / "prefix.safetensors";
  const auto options = golden_model("llama")->options();
  const auto prefix = random_prefix(options, 6, 1);
  prefix->save(path);
  const auto loaded = KvPrefix::load(path, options);
  EXPECT_EQ(loaded->frozen(), 1);
  EXPECT_EQ(loaded->length(), 6);
  EXPECT_TRUE(loaded->key_values().keys[1].equal(prefix->key_values().keys[1]));
  EXPECT_TRUE(loaded->key_values().values[0].equal(prefix->key_values().values[0]));

  auto other = options;
  other.rope.theta = 500;
  EXPECT_THROW(KvPrefix::load(path, other), InputError);
  other = options;
  other.layers = 3;
  EXPECT_THROW(KvPrefix::load(path, other), InputError);
  other = options;
  other.head_dim = 4;
  EXPECT_THROW(KvPrefix::load(path, other), InputError);
  EXPECT_THROW(KvPrefix::load(golden_folder("llama") / "model.safetensors", options), InputError);
}

TEST(KvPrefix, MayBeEmptyOfParametersOrOfFrozenEntries) {
  const auto options = golden_model("llama")->options();
  EXPECT_EQ(random_prefix(options, 3, 0)->key_values().keys[0].size(2), 3);
  EXPECT_EQ(random_prefix(options, 3, 3)->key_values().keys[0].size(2), 3);
  EXPECT_THROW(random_prefix(options, 3, 4), InputError);
}

}  // namespace
}  // namespace drystill::language::testing
