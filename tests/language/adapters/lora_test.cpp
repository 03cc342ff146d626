#include "language/adapters/lora.h"

#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

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

// The golden adapter of the llama, with another value of `key`; null: without it.
void write_changed_adapter(const std::filesystem::path& folder, const std::string& key, const nlohmann::json& value) {
  const auto from = golden_folder("lora_llama");
  std::filesystem::copy(from / "adapter_model.safetensors", folder / "adapter_model.safetensors",
                        std::filesystem::copy_options::overwrite_existing);
  auto config = io::read_json_object(from / "adapter_config.json");
  config[key] = value;
  if (value.is_null()) config.erase(key);
  io::write_file(folder / "adapter_config.json", config.dump());
}

TEST(Lora, WhatIsNoPlainLoraIsRefusedByName) {
  const TemporaryFolder folder;
  const std::vector<std::pair<const char*, nlohmann::json>> rows = {
      {"peft_type", "IA3"},
      {"use_dora", true},
      {"use_rslora", true},
      {"use_qalora", true},
      {"lora_bias", true},
      {"rank_pattern", nlohmann::json::object({{"q_proj", 4}})},
      {"alpha_pattern", nlohmann::json::object({{"q_proj", 4}})},
      {"modules_to_save", nlohmann::json::array({"lm_head"})},
      {"layer_replication", nlohmann::json::array({nlohmann::json::array({0, 1})})},
      {"target_parameters", nlohmann::json::array({"mlp.experts"})},
      {"trainable_token_indices", nlohmann::json::array({3})},
      {"alora_invocation_tokens", nlohmann::json::array({3, 4})},
      {"bias", "all"},
      {"bias", "lora_only"},
      {"init_lora_weights", "pissa"},
      {"init_lora_weights", "pissa_niter_16"},
      {"init_lora_weights", "olora"},
      {"init_lora_weights", "corda"},
      {"init_lora_weights", "loftq"},
      {"init_lora_weights", 3}};
  for (const auto& [key, value] : rows) {
    write_changed_adapter(folder.path(), key, value);
    try {
      LoraAdapter::load(folder.path(), golden_model("llama"));
      ADD_FAILURE() << "accepted: " << key << " " << value.dump();
    } catch (const InputError& error) {
      const std::string message = error.what();
      EXPECT_NE(message.find(key), std::string::npos) << message;
      EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    }
  }
}

// fan_in_fan_out is put right by PEFT where it does not fit the layer: the weights stand the same way round always.
TEST(Lora, WhatDoesNotMatterIsRead) {
  const torch::NoGradGuard no_grad;
  const TemporaryFolder folder;
  const auto expected = io::read_safetensors(golden_folder("lora_llama") / "expected.safetensors").tensors.at("logits");
  const std::vector<std::pair<const char*, nlohmann::json>> rows = {
      {"fan_in_fan_out", true},           {"init_lora_weights", false}, {"init_lora_weights", "gaussian"},
      {"init_lora_weights", "eva"},       {"rank_pattern", nullptr},    {"init_lora_weights", nullptr},
      {"init_lora_weights", "orthogonal"}};
  for (const auto& [key, value] : rows) {
    write_changed_adapter(folder.path(), key, value);
    const auto model = golden_model("llama");
    const auto adapter = LoraAdapter::load(folder.path(), model);
    EXPECT_LT(max_difference(model->logits(lora_batch()), expected), 2e-5) << key << " " << value.dump();
  }
}

TEST(Lora, AlphaIsThatOfPeftWhereTheFileHasNone) {
  const TemporaryFolder folder;
  write_changed_adapter(folder.path(), "lora_alpha", nullptr);
  const auto adapter = LoraAdapter::load(folder.path(), golden_model("llama"));
  EXPECT_EQ(adapter->options().rank, 3);
  EXPECT_EQ(adapter->options().alpha, 8);
}

TEST(Lora, AdapterOfAnotherModelIsRefused) {
  EXPECT_THROW(LoraAdapter::load(golden_folder("lora_gpt2"), golden_model("llama")), InputError);
  EXPECT_THROW(LoraAdapter::load(golden_folder("llama"), golden_model("llama")), InputError);
}

}  // namespace
}  // namespace drystill::language::testing
