#include "language/adapters/lora.h"

#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "io/atomic_file.h"
#include "io/json_file.h"
#include "tests/language/models/tiny_models.h"
#include "tests/support/temporary_folder.h"

namespace drystill::language::testing {
namespace {

using drystill::testing::TemporaryFolder;

TokenBatch lora_batch(const std::string& name = "llama") {
  return {.ids = golden_values(name).at("ids"), .mask = {}, .positions = {}};
}

// B away from zero, so that the adapter matters.
void disturb(LoraAdapter& adapter) {
  const torch::NoGradGuard no_grad;
  auto generator = at::detail::createCPUGenerator(11);
  for (auto& parameter : adapter.parameters()) parameter.normal_(0, 0.2, generator);
}

TEST(Lora, FreshAdapterChangesNothing) {
  const torch::NoGradGuard no_grad;
  const auto model = golden_model("llama");
  const auto base = model->logits(lora_batch());
  const LoraAdapter adapter(model, {.rank = 4, .alpha = 8, .targets = {}}, at::detail::createCPUGenerator(3));
  EXPECT_EQ(adapter.parameters().size(), 2U * 7 * 2);  // A and B, seven linears, two layers
  EXPECT_TRUE(model->logits(lora_batch()).equal(base));
}

TEST(Lora, ActsOnTheLayersThatAreNamed) {
  const torch::NoGradGuard no_grad;
  const auto model = golden_model("qwen2");
  const auto batch = lora_batch("qwen2");
  const auto base = model->logits(batch);
  LoraAdapter adapter(model, {.rank = 4, .alpha = 8, .targets = {"q_proj", "mlp.up_proj"}},
                      at::detail::createCPUGenerator(3));
  disturb(adapter);
  const auto adapted = model->logits(batch);
  EXPECT_EQ(adapter.parameters().size(), 2U * 2 * 2);  // A and B, two linears, two layers
  EXPECT_GT(max_difference(adapted, base), 0.1);
  EXPECT_TRUE(model->without_adapter()->logits(batch).equal(base));
}

TEST(Lora, EndsWithItsScope) {
  const torch::NoGradGuard no_grad;
  const auto model = golden_model("llama");
  const auto base = model->logits(lora_batch());
  {
    LoraAdapter adapter(model, {}, at::detail::createCPUGenerator(3));
    disturb(adapter);
    EXPECT_THROW(LoraAdapter(model, {}, at::detail::createCPUGenerator(3)), ConfigError);
    EXPECT_FALSE(model->logits(lora_batch()).equal(base));
  }
  EXPECT_TRUE(model->logits(lora_batch()).equal(base));
}

TEST(Lora, OnlyTheAdapterLearnsFromAFrozenModelWithAndWithoutCheckpointing) {
  std::vector<torch::Tensor> plain;
  for (const bool checkpointing : {false, true}) {
    const auto model = golden_model("llama");
    model->freeze();
    model->set_gradient_checkpointing(checkpointing);
    LoraAdapter adapter(model, {}, at::detail::createCPUGenerator(3));
    disturb(adapter);
    const auto batch = lora_batch();
    next_token_loss(model->logits(batch), batch.ids).backward();
    for (const auto& parameter : model->parameters()) EXPECT_FALSE(parameter.grad().defined());
    std::size_t i = 0;
    for (const auto& item : adapter.named_parameters()) {
      ASSERT_TRUE(item.value().grad().defined()) << item.key();
      EXPECT_GT(item.value().grad().abs().max().item<double>(), 0) << item.key();
      if (checkpointing) {
        EXPECT_LT(max_difference(item.value().grad(), plain[i++]), 1e-6) << item.key();
      } else {
        plain.push_back(item.value().grad());
      }
    }
  }
}

class PeftFolder : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Golden, PeftFolder, ::testing::Values("llama", "gpt2"),
                         [](const auto& test) { return std::string(test.param); });

TEST_P(PeftFolder, GivesTheLogitsOfPeftAndIsWrittenBackTheSame) {
  const torch::NoGradGuard no_grad;
  const std::string name = GetParam();
  const auto folder = golden_folder("lora_" + name);
  const auto expected = io::read_safetensors(folder / "expected.safetensors").tensors.at("logits");
  auto model = golden_model(name);
  const auto adapter = LoraAdapter::load(folder, model);
  EXPECT_LT(max_difference(model->logits(lora_batch(name)), expected), 2e-5);

  const TemporaryFolder out;
  adapter->save(out.path(), name);
  const auto before = io::read_safetensors(folder / "adapter_model.safetensors").tensors;
  const auto after = io::read_safetensors(out / "adapter_model.safetensors").tensors;
  ASSERT_EQ(before.size(), after.size());
  for (const auto& [key, tensor] : before) EXPECT_TRUE(tensor.equal(after.at(key))) << key;
  const auto again = golden_model(name);
  const auto reloaded = LoraAdapter::load(out.path(), again);
  EXPECT_TRUE(again->logits(lora_batch(name)).equal(model->logits(lora_batch(name))));
}

TEST(Lora, NamesATargetThatDoesNotExist) {
  try {
    LoraAdapter(golden_model("llama"), {.rank = 4, .alpha = 8, .targets = {"q_proj", "c_attn"}},
                at::detail::createCPUGenerator(3));
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("'c_attn'"), std::string::npos) << error.what();
  }
}

// Losses and sampling read the head's weight without a correction.
TEST(Lora, TheHeadIsRefused) {
  const LoraOptions options{.rank = 2, .alpha = 4, .targets = {"lm_head"}};
  EXPECT_THROW(LoraAdapter(golden_model("llama"), options, at::detail::createCPUGenerator(3)), ConfigError);
}

TEST(Lora, AnotherRankThanTheTensorsIsRefusedBeforeItIsMade) {
  const TemporaryFolder folder;
  const auto from = golden_folder("lora_llama");
  std::filesystem::copy(from / "adapter_model.safetensors", folder / "adapter_model.safetensors");
  auto config = io::read_json_object(from / "adapter_config.json");
  config["r"] = 65536;
  io::write_file(folder / "adapter_config.json", config.dump());
  try {
    LoraAdapter::load(folder.path(), golden_model("llama"));
    FAIL();
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("65536 rows"), std::string::npos) << error.what();
  }
}

TEST(Lora, AdapterOfAnotherModelIsRefused) {
  EXPECT_THROW(LoraAdapter::load(golden_folder("lora_gpt2"), golden_model("llama")), InputError);
  EXPECT_THROW(LoraAdapter::load(golden_folder("llama"), golden_model("llama")), InputError);
}

}  // namespace
}  // namespace drystill::language::testing
