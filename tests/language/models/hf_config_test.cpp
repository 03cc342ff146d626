#include "language/models/hf_config.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "tests/language/models/tiny_models.h"

namespace drystill::language::testing {
namespace {

const char* const kLlama32 = R"({
  "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 128256, "hidden_size": 2048,
  "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32, "num_key_value_heads": 8,
  "head_dim": 64, "hidden_act": "silu", "max_position_embeddings": 131072, "rms_norm_eps": 1e-05,
  "rope_theta": 500000.0, "rope_scaling": {"factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
  "original_max_position_embeddings": 8192, "rope_type": "llama3"}, "tie_word_embeddings": true,
  "attention_bias": false, "bos_token_id": 128000, "eos_token_id": [128001, 128008, 128009],
  "pad_token_id": null, "torch_dtype": "bfloat16"})";

std::string with(const std::string& key, const nlohmann::json& value) {
  auto json = nlohmann::json::parse(kLlama32);
  json[key] = value;
  return json.dump();
}

std::string message_of(const std::string& text) {
  try {
    parse_hf_config(text, "config.json");
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

TEST(HfConfig, ReadsLlama32) {
  const auto options = parse_hf_config(kLlama32, "config.json");
  EXPECT_EQ(options.family, Family::kLlama);
  EXPECT_EQ(options.layers, 16);
  EXPECT_EQ(options.kv_heads, 8);
  EXPECT_EQ(options.rope.scaling, RopeScaling::kLlama3);
  EXPECT_EQ(options.rope.factor, 32);
  EXPECT_EQ(options.rope.original_max_positions, 8192);
  EXPECT_EQ(options.eos_tokens, (std::vector<std::int64_t>{128001, 128008, 128009}));
  EXPECT_EQ(options.bos_token, 128000);
  EXPECT_FALSE(options.pad_token.has_value());
  EXPECT_TRUE(options.tied);
}

TEST(HfConfig, AbsentKeysHaveTheirDefaults) {
  auto json = nlohmann::json::parse(kLlama32);
  for (const char* key : {"num_key_value_heads", "head_dim", "rope_scaling", "tie_word_embeddings", "eos_token_id"}) {
    json.erase(key);
  }
  const auto options = parse_hf_config(json.dump(), "config.json");
  EXPECT_EQ(options.kv_heads, 32);
  EXPECT_EQ(options.head_dim, 64);
  EXPECT_EQ(options.rope.scaling, RopeScaling::kNone);
  EXPECT_FALSE(options.tied);
  EXPECT_TRUE(options.eos_tokens.empty());
}

TEST(HfConfig, WhatIsWrittenIsReadBack) {
  for (const char* name : {"llama", "llama_untied", "llama3", "llama_linear", "mistral", "qwen2", "qwen3", "gpt2"}) {
    const auto options = read_hf_config(golden_folder(name));
    EXPECT_EQ(parse_hf_config(hf_config_text(options, torch::kFloat32), name), options) << name;
  }
}

TEST(HfConfig, KnowsHowWideFreshWeightsAre) {
  EXPECT_EQ(parse_hf_config(kLlama32, "config.json").initializer_range, 0.02);
  const auto options = parse_hf_config(with("initializer_range", 0.05), "config.json");
  EXPECT_EQ(options.initializer_range, 0.05);
  EXPECT_EQ(parse_hf_config(hf_config_text(options, torch::kFloat32), "config.json"), options);
  EXPECT_NE(message_of(with("initializer_range", -1)).find("initializer_range"), std::string::npos);
}

TEST(HfConfig, RefusesByNameWhatIsNotComputed) {
  EXPECT_NE(message_of(with("model_type", "gemma")).find("'gemma'"), std::string::npos);
  EXPECT_NE(message_of(with("hidden_act", "gelu")).find("'gelu'"), std::string::npos);
  EXPECT_NE(message_of(with("rope_scaling", {{"type", "yarn"}, {"factor", 2}})).find("'yarn'"), std::string::npos);
  EXPECT_NE(message_of(with("rope_parameters", {{"rope_type", "dynamic"}})).find("'dynamic'"), std::string::npos);
  EXPECT_NE(message_of(with("layer_types", {"full_attention", "sliding_attention"})).find("sliding_attention"),
            std::string::npos);
  EXPECT_NE(message_of(with("quantization_config", {{"bits", 4}})).find("quantization_config"), std::string::npos);
  auto mistral = nlohmann::json::parse(with("model_type", "mistral"));
  EXPECT_NE(message_of(mistral.dump()).find("sliding_window 4096"), std::string::npos);  // what an absent key means
  mistral["max_position_embeddings"] = 4096;
  EXPECT_EQ(message_of(mistral.dump()), "");
  mistral["max_position_embeddings"] = 131072;
  mistral["sliding_window"] = nullptr;
  EXPECT_EQ(message_of(mistral.dump()), "");
  mistral["sliding_window"] = 4096;
  EXPECT_NE(message_of(mistral.dump()).find("sliding_window 4096"), std::string::npos);
  mistral["sliding_window"] = 131072;  // as wide as the context
  EXPECT_EQ(message_of(mistral.dump()), "");
}

TEST(HfConfig, DamagedFilesAreInputErrors) {
  for (const auto& text :
       {std::string("{"), std::string("[]"), std::string("3"), with("hidden_size", "64"), with("hidden_size", -1),
        with("hidden_size", 1.5), with("num_hidden_layers", 1'000'000), with("num_hidden_layers", UINT64_MAX),
        with("vocab_size", nullptr), with("num_key_value_heads", 0), with("num_key_value_heads", 5),
        with("head_dim", 63), with("rms_norm_eps", 0), with("rope_theta", -1), with("eos_token_id", {1, "x"}),
        with("rope_scaling", "linear"), with("num_attention_heads", 0), with("layer_types", 4),
        with("rope_scaling", {{"rope_type", "linear"}, {"factor", 0}})}) {
    EXPECT_NE(message_of(text), "") << text;
    EXPECT_EQ(message_of(text).find('\n'), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace drystill::language::testing
