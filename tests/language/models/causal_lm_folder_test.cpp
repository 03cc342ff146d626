#include "language/models/causal_lm_folder.h"

#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <fstream>

#include "core/error.h"
#include "io/atomic_file.h"
#include "io/state_dict.h"
#include "language/models/gguf_names.h"
#include "language/models/hf_config.h"
#include "language/models/layer_subset.h"
#include "tests/language/models/tiny_models.h"
#include "tests/support/temporary_folder.h"

namespace drystill::language::testing {
namespace {

using drystill::testing::TemporaryFolder;

torch::Tensor logits_of(const CausalLm& model) {
  const torch::NoGradGuard no_grad;
  return model.logits({.ids = golden_values("llama").at("ids"), .mask = {}, .positions = {}});
}

std::string load_error(const std::filesystem::path& folder) {
  try {
    load_causal_lm(folder);
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

TEST(CausalLmFolder, SavedModelsLoadTheSameInTheirDtype) {
  for (const char* name : {"llama_untied", "qwen3", "gpt2"}) {
    for (const auto dtype : {torch::kFloat32, torch::kBFloat16}) {
      const TemporaryFolder folder;
      const auto model = golden_model(name, dtype);
      save_causal_lm(folder.path(), *model, {{"made_by", "a test"}});
      const auto again = load_causal_lm(folder.path(), std::nullopt);
      EXPECT_EQ(again->options(), model->options());
      EXPECT_EQ(again->input_weight().scalar_type(), dtype);
      EXPECT_TRUE(logits_of(*again).equal(logits_of(*model))) << name;
      EXPECT_EQ(io::read_safetensors(folder / "model.safetensors").metadata.at("made_by"), "a test");
    }
  }
}

TEST(CausalLmFolder, ReadsShards) {
  const TemporaryFolder folder;
  std::filesystem::copy(golden_folder("llama") / "config.json", folder / "config.json");
  const auto tensors = io::read_safetensors(golden_folder("llama") / "model.safetensors").tensors;
  std::map<std::string, torch::Tensor> shards[2];
  std::string index;
  std::size_t i = 0;
  for (const auto& [name, tensor] : tensors) {
    const auto shard = i++ % 2;
    shards[shard].emplace(name, tensor);
    index += (index.empty() ? "" : ", ") + ("\"" + name + "\": \"part-" + std::to_string(shard) + ".safetensors\"");
  }
  io::write_safetensors(folder / "part-0.safetensors", shards[0]);
  io::write_safetensors(folder / "part-1.safetensors", shards[1]);
  io::write_file(folder / "model.safetensors.index.json", "{\"weight_map\": {" + index + "}}");
  EXPECT_TRUE(logits_of(*load_causal_lm(folder.path())).equal(logits_of(*golden_model("llama"))));
}

TEST(CausalLmFolder, Gpt2NamesMayLackTheirPrefixAndCarryBuffers) {
  const TemporaryFolder folder;
  std::filesystem::copy(golden_folder("gpt2") / "config.json", folder / "config.json");
  std::map<std::string, torch::Tensor> bare;
  for (const auto& [name, tensor] : io::read_safetensors(golden_folder("gpt2") / "model.safetensors").tensors) {
    bare.emplace(name.substr(std::string("transformer.").size()), tensor);
  }
  bare.emplace("h.0.attn.bias", at::ones({1, 1, 4, 4}));
  bare.emplace("h.1.attn.masked_bias", at::ones({}));
  bare.emplace("lm_head.weight", bare.at("wte.weight").clone());
  io::write_safetensors(folder / "model.safetensors", bare);
  EXPECT_TRUE(logits_of(*load_causal_lm(folder.path())).equal(logits_of(*golden_model("gpt2"))));
}

TEST(CausalLmFolder, SaysWhatDoesNotFit) {
  const TemporaryFolder folder;
  EXPECT_NE(load_error(folder.path()).find("config.json"), std::string::npos);
  std::filesystem::copy(golden_folder("llama") / "config.json", folder / "config.json");
  EXPECT_NE(load_error(folder.path()), "");
  auto tensors = io::read_safetensors(golden_folder("llama") / "model.safetensors").tensors;
  tensors.erase("model.norm.weight");
  tensors["model.layers.0.mlp.up_proj.weight"] = at::zeros({48, 31});
  tensors["surplus"] = at::zeros({1});
  io::write_safetensors(folder / "model.safetensors", tensors);
  const auto message = load_error(folder.path());
  for (const char* part :
       {"1 missing ('model.norm.weight')", "1 unexpected ('surplus')", "up_proj.weight", "[48, 31]"}) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
  }
  EXPECT_EQ(message.find('\n'), std::string::npos);
}

TEST(CausalLmFolder, AConfigurationOfTerabytesAllocatesNothing) {
  const TemporaryFolder folder;
  auto options = read_hf_config(golden_folder("llama"));
  options.hidden_size = options.intermediate_size = 1 << 18;
  options.layers = 1000;
  io::write_file(folder / "config.json", hf_config_text(options, torch::kFloat32));
  std::filesystem::copy(golden_folder("llama") / "model.safetensors", folder / "model.safetensors");
  EXPECT_NE(load_error(folder.path()).find("does not fit"), std::string::npos);
}

TEST(CausalLmFolder, TakesFurtherEndTokensFromTheGenerationConfig) {
  const TemporaryFolder folder;
  std::filesystem::copy(golden_folder("llama"), folder / "model", std::filesystem::copy_options::recursive);
  io::write_file(folder / "model" / "generation_config.json", "{\"eos_token_id\": [2, 7]}");
  EXPECT_EQ(load_causal_lm(folder / "model")->options().eos_tokens, (std::vector<std::int64_t>{2, 7}));
}

TEST(CausalLmFolder, SavingLeavesNothingOfAnotherModel) {
  const TemporaryFolder outer;
  const auto folder = outer / "model";
  std::filesystem::create_directories(folder);
  const auto model = golden_model("llama");
  io::write_file(folder / "generation_config.json", "{\"eos_token_id\": [2, 7]}");
  io::write_file(folder / "model.safetensors.index.json",
                 "{\"weight_map\": {\"a\": \"old-1.safetensors\", \"b\": \"model.safetensors\", \"c\": \"notes.txt\", "
                 "\"d\": \"../outside.safetensors\"}}");
  io::write_file(folder / "pytorch_model.bin.index.json", "damaged");
  const std::vector<const char*> replaced = {"old-1.safetensors", "pytorch_model.bin"};
  const std::vector<const char*> kept = {"notes.txt", "other.safetensors", "../outside.safetensors"};
  for (const auto& names : {replaced, kept}) {
    for (const char* name : names) io::write_file(folder / name, "old");
  }
  save_causal_lm(folder, *model);
  EXPECT_EQ(load_causal_lm(folder)->options(), model->options());
  for (const char* name : replaced) EXPECT_FALSE(std::filesystem::exists(folder / name)) << name;
  for (const char* name : kept) EXPECT_TRUE(std::filesystem::exists(folder / name)) << name;
  for (const char* name : {"generation_config.json", "model.safetensors.index.json", "pytorch_model.bin.index.json"}) {
    EXPECT_FALSE(std::filesystem::exists(folder / name)) << name;
  }
}

class GgufModels : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Golden, GgufModels, ::testing::Values("llama", "qwen2", "gpt2"),
                         [](const auto& test) { return std::string(test.param); });

TEST_P(GgufModels, HoldTheSameModelAsTheFolder) {
  const std::string name = GetParam();
  const auto from_gguf = load_causal_lm(std::filesystem::path(golden_folder(name)) += ".gguf");
  const auto from_folder = golden_model(name);
  const auto expected = io::state_dict(*from_folder);
  for (const auto& [key, tensor] : io::state_dict(*from_gguf)) EXPECT_TRUE(tensor.equal(expected.at(key))) << key;
  EXPECT_LT(max_difference(logits_of(*from_gguf), logits_of(*from_folder)), 1e-6);
  EXPECT_EQ(from_gguf->options().eos_tokens, (std::vector<std::int64_t>{2}));
}

std::filesystem::path small_file(const std::string& name) {
  return golden_folder("small_" + name);
}

class SmallGgufModels : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Golden, SmallGgufModels, ::testing::Values("llama3", "linear", "qwen3"),
                         [](const auto& test) { return std::string(test.param); });

TEST_P(SmallGgufModels, GiveTheLogitsOfTransformers) {
  const auto model = load_causal_lm(small_file(GetParam() + std::string(".gguf")));
  const auto expected = io::read_safetensors(small_file(GetParam() + std::string(".safetensors"))).tensors;
  const torch::NoGradGuard no_grad;
  const auto logits = model->logits({.ids = expected.at("ids"), .mask = {}, .positions = {}});
  EXPECT_LT(max_difference(logits, expected.at("logits")), 2e-5);
}

TEST(GgufRotaryPositions, ReadTheirScaling) {
  const RopeOptions llama3 = load_causal_lm(small_file("llama3.gguf"))->options().rope;
  EXPECT_EQ(llama3.scaling, RopeScaling::kLlama3);
  EXPECT_EQ(llama3.factor, 8);
  EXPECT_EQ(llama3.original_max_positions, 8192);
  const RopeOptions linear = load_causal_lm(small_file("linear.gguf"))->options().rope;
  EXPECT_EQ(linear.scaling, RopeScaling::kLinear);
  EXPECT_EQ(linear.factor, 4);
}

// `file` with the one place that holds `from` changed into `to`, which is as long.
std::string error_of_changed(const std::filesystem::path& file, const std::string& from, const std::string& to) {
  const TemporaryFolder folder;
  std::ifstream in(file, std::ios::binary);
  std::string bytes(std::istreambuf_iterator<char>(in), {});
  const auto at = bytes.find(from);
  EXPECT_EQ(bytes.find(from, at + 1), std::string::npos);
  io::write_file(folder / "changed.gguf", bytes.replace(at, from.size(), to));
  return load_error(folder / "changed.gguf");
}

std::string float_bytes(float value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

TEST(GgufRotaryPositions, RefuseOtherScalingsByName) {
  const auto other_type = error_of_changed(small_file("linear.gguf"), "linear", "yarn-2");
  EXPECT_NE(other_type.find("'llama.rope.scaling.type' is 'yarn-2', expected none or linear"), std::string::npos)
      << other_type;
  // The factors are those of another base.
  const auto other_factors = error_of_changed(small_file("llama3.gguf"), float_bytes(500000), float_bytes(10000));
  EXPECT_NE(other_factors.find("'rope_freqs.weight' are not those of a llama3 scaling"), std::string::npos)
      << other_factors;
}

TEST(GgufNames, UnknownTensorsAreRefused) {
  EXPECT_EQ(own_name_of_gguf("blk.12.ffn_gate.weight", Family::kQwen3), "model.layers.12.mlp.gate_proj.weight");
  EXPECT_EQ(own_name_of_gguf("rope_freqs.weight", Family::kLlama), std::nullopt);
  for (const char* name : {"blk.0.ffn_gate_exps.weight", "blk.0", "output", "blk.0.attn_q.scale", "", "."}) {
    EXPECT_THROW(own_name_of_gguf(name, Family::kLlama), InputError) << name;
  }
}

TEST(LayerSubset, KeepsTheTeachersLayersAndSharesNoMemory) {
  const auto teacher = golden_model("qwen3");
  const auto same = make_from_layers(*teacher, {0, 1});
  EXPECT_TRUE(logits_of(*same).equal(logits_of(*teacher)));
  const auto student = make_from_layers(*teacher, {1});
  const auto theirs = io::state_dict(*teacher), ours = io::state_dict(*student);
  EXPECT_TRUE(ours.at("model.layers.0.mlp.up_proj.weight").equal(theirs.at("model.layers.1.mlp.up_proj.weight")));
  EXPECT_FALSE(ours.contains("model.layers.1.mlp.up_proj.weight"));
  EXPECT_NE(ours.at("model.norm.weight").data_ptr(), theirs.at("model.norm.weight").data_ptr());
  EXPECT_THROW(make_from_layers(*teacher, {2}), ConfigError);
  EXPECT_THROW(make_from_layers(*teacher, {}), ConfigError);
}

TEST(CausalLm, FreshWeightsComeFromTheGenerator) {
  TransformerOptions options = defaults_of(Family::kQwen2);
  CausalLm a(options), b(options);
  a.initialise(at::detail::createCPUGenerator(1));
  b.initialise(at::detail::createCPUGenerator(1));
  EXPECT_TRUE(a.input_weight().equal(b.input_weight()));
  EXPECT_NEAR(a.input_weight().std().item<double>(), 0.02, 1e-3);
  for (const auto& item : a.named_parameters()) {
    if (item.key().ends_with("bias")) {
      EXPECT_EQ(item.value().abs().max().item<double>(), 0);
    }
    if (item.key().ends_with("norm.weight")) {
      EXPECT_EQ(item.value().min().item<double>(), 1);
    }
  }
  const auto copy = a.copy();
  EXPECT_TRUE(copy->input_weight().equal(a.input_weight()));
  EXPECT_NE(copy->input_weight().data_ptr(), a.input_weight().data_ptr());
  EXPECT_EQ(copy->parameters().size(), a.parameters().size());
}

TEST(CausalLm, MisuseIsSaid) {
  const auto model = golden_model("gpt2");
  const auto run = [&](const torch::Tensor& ids, const torch::Tensor& mask = {}) {
    model->hidden({.ids = ids, .mask = mask, .positions = {}});
  };
  EXPECT_THROW(run(at::full({1, 2}, 96, torch::kInt64)), InputError);
  EXPECT_THROW(run(at::full({1, 2}, -1, torch::kInt64)), InputError);
  EXPECT_THROW(run(at::zeros({2}, torch::kInt64)), InputError);
  EXPECT_THROW(run(at::zeros({1, 2})), InputError);
  EXPECT_THROW(run(at::zeros({1, 2}, torch::kInt64), at::ones({1, 3}, torch::kBool)), InputError);
  EXPECT_THROW(run(at::zeros({1, 65}, torch::kInt64)), InputError);  // 64 learned positions
  auto options = model->options();
  options.kv_heads = 2;
  EXPECT_THROW(CausalLm{options}, ConfigError);
}

TEST(CausalLm, EmbeddingsInPlaceOfIds) {
  const torch::NoGradGuard no_grad;
  const auto model = golden_model("llama");
  const auto ids = golden_values("llama").at("ids");
  const auto embeddings = at::embedding(model->input_weight(), ids);
  EXPECT_TRUE(
      model->hidden_of_embeddings(embeddings, {}).equal(model->hidden({.ids = ids, .mask = {}, .positions = {}})));
}

TEST(CausalLm, NamesItsLinearLayers) {
  const auto linears = golden_model("qwen3")->linears();  // tied: no head
  EXPECT_EQ(linears.size(), 2U * 7);
  EXPECT_EQ(linears.keys().front(), "model.layers.0.self_attn.q_proj");
  EXPECT_EQ(linears.keys().back(), "model.layers.1.mlp.down_proj");
  EXPECT_EQ(linears.find("model.layers.1.mlp"), nullptr);
  EXPECT_NE(golden_model("llama_untied")->linears().find("lm_head"), nullptr);
}

TEST(CausalLm, FreshWeightsOfAFolderFollowItsConfiguration) {
  auto options = defaults_of(Family::kGpt2);
  options.layers = 8;
  options.initializer_range = 0.1;
  const drystill::testing::TemporaryFolder folder;
  io::write_file(folder / "config.json", hf_config_text(options, torch::kFloat32));
  const auto model = fresh_causal_lm(folder.path(), at::detail::createCPUGenerator(1));
  EXPECT_EQ(model->options(), options);
  const auto deviation = [&](const char* name) { return model->named_parameters()[name].std().item<double>(); };
  EXPECT_NEAR(deviation("transformer.h.0.attn.c_attn.weight"), 0.1, 3e-3);
  EXPECT_NEAR(deviation("transformer.h.3.mlp.c_proj.weight"), 0.1 / 4, 1e-3);  // sqrt(2 layers): into the residual
  EXPECT_TRUE(fresh_causal_lm(folder / "config.json", at::detail::createCPUGenerator(1))
                  ->input_weight()
                  .equal(model->input_weight()));
  EXPECT_THROW(fresh_causal_lm(folder / "nothing", at::detail::createCPUGenerator(1)), InputError);
}

}  // namespace
}  // namespace drystill::language::testing
