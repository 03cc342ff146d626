#include "language/models/gguf_names.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "io/quote.h"
#include "language/models/causal_lm_folder.h"
#include "language/models/rotary.h"

namespace drystill::language {
namespace {

using NamePair = std::pair<std::string_view, std::string_view>;  // GGUF's, ours

constexpr auto kLlamaLayer = std::to_array<NamePair>({{"attn_norm", "input_layernorm"},
                                                      {"attn_q", "self_attn.q_proj"},
                                                      {"attn_k", "self_attn.k_proj"},
                                                      {"attn_v", "self_attn.v_proj"},
                                                      {"attn_output", "self_attn.o_proj"},
                                                      {"attn_q_norm", "self_attn.q_norm"},
                                                      {"attn_k_norm", "self_attn.k_norm"},
                                                      {"ffn_norm", "post_attention_layernorm"},
                                                      {"ffn_gate", "mlp.gate_proj"},
                                                      {"ffn_up", "mlp.up_proj"},
                                                      {"ffn_down", "mlp.down_proj"}});
constexpr auto kLlamaTop = std::to_array<NamePair>(
    {{"token_embd", "model.embed_tokens"}, {"output_norm", "model.norm"}, {"output", "lm_head"}});
constexpr auto kGpt2Layer = std::to_array<NamePair>({{"attn_norm", "ln_1"},
                                                     {"attn_qkv", "attn.c_attn"},
                                                     {"attn_output", "attn.c_proj"},
                                                     {"ffn_norm", "ln_2"},
                                                     {"ffn_up", "mlp.c_fc"},
                                                     {"ffn_down", "mlp.c_proj"}});
constexpr auto kGpt2Top = std::to_array<NamePair>({{"token_embd", "transformer.wte"},
                                                   {"position_embd", "transformer.wpe"},
                                                   {"output_norm", "transformer.ln_f"},
                                                   {"output", "lm_head"}});

template <class Pairs>
std::optional<std::string_view> translate(const Pairs& pairs, std::string_view name) {
  const auto found = std::ranges::find(pairs, name, &NamePair::first);
  return found == pairs.end() ? std::nullopt : std::optional(found->second);
}

// Keys under the architecture's own name.
class ArchitectureKeys {
 public:
  ArchitectureKeys(const io::GgufFile& file, std::string architecture)
      : file_(file), prefix_(std::move(architecture)) {}

  std::string key(const char* name) const { return prefix_ + "." + name; }
  std::int64_t integer(const char* name) const {
    const auto value = file_.integer(key(name));
    if (!value) throw InputError(file_.source() + ": metadata key '" + key(name) + "' is missing, expected an integer");
    return *value;
  }
  std::int64_t integer(const char* name, std::int64_t otherwise) const {
    return file_.integer(key(name)).value_or(otherwise);
  }
  double number(const char* name, double otherwise) const { return file_.number(key(name)).value_or(otherwise); }
  std::string text(const char* name, const std::string& otherwise) const {
    return file_.text(key(name)).value_or(otherwise);
  }

 private:
  const io::GgufFile& file_;
  std::string prefix_;
};

// A llama3 scaling is not in the metadata: the file holds what each frequency is divided by. The settings that all
// published models share are tried; others are refused.
RopeOptions rope_with_factors(RopeOptions rope, const torch::Tensor& factors, std::int64_t head_dim,
                              const std::string& source) {
  // Before frequencies of that width are made: it is only a number in the file.
  if (head_dim < 2 || factors.dim() != 1 || factors.numel() != head_dim / 2) {
    throw InputError(source + ": 'rope_freqs.weight' has " + io::shape_text(factors.sizes()) +
                     ", expected half of the head's width, " + std::to_string(head_dim));
  }
  rope.scaling = RopeScaling::kLlama3;
  rope.factor = factors.max().item<double>();
  const auto plain = rotary_frequencies({.theta = rope.theta}, head_dim);
  const bool fits = rope.factor > 0 && (plain / rotary_frequencies(rope, head_dim)).allclose(factors, 1e-3);
  if (!fits) throw InputError(source + ": the factors of 'rope_freqs.weight' are not those of a llama3 scaling");
  return rope;
}

RopeOptions rope_of_gguf(const io::GgufFile& file, const ArchitectureKeys& keys, std::int64_t head_dim) {
  RopeOptions rope;
  rope.theta = keys.number("rope.freq_base", rope.theta);
  if (keys.integer("rope.dimension_count", head_dim) != head_dim) {
    throw InputError(file.source() + ": '" + keys.key("rope.dimension_count") + "' differs from the head's width");
  }
  // llama.cpp (llama-model.cpp): a file that has no type has the linear one, whose factor older files name otherwise.
  const auto type = keys.text("rope.scaling.type", "linear");
  if (type != "none" && type != "linear") {
    throw InputError(file.source() + ": '" + keys.key("rope.scaling.type") + "' is " + io::quote(type) +
                     ", expected none or linear");
  }
  const double factor = type == "linear" ? keys.number("rope.scaling.factor", keys.number("rope.scale_linear", 1)) : 1;
  if (factor != 1) {
    rope.scaling = RopeScaling::kLinear;
    rope.factor = factor;
  }
  if (const double attention = keys.number("rope.scaling.attn_factor", 1); attention != 1) {
    throw InputError(file.source() + ": '" + keys.key("rope.scaling.attn_factor") + "' is " +
                     std::to_string(attention) + ", expected 1; other factors are not computed here");
  }
  if (!file.contains("rope_freqs.weight")) return rope;
  if (factor != 1) {
    throw InputError(file.source() + ": 'rope_freqs.weight' and a linear scaling by " + std::to_string(factor) +
                     " together are not computed here; expected one of them");
  }
  return rope_with_factors(rope, file.tensor("rope_freqs.weight"), head_dim, file.source());
}

// Ids that end a text. llama.cpp (llama-vocab.cpp, special_eog_ids) takes those that the metadata name, and further
// ones by how they are spelt: files seldom name the end of a turn.
std::vector<std::int64_t> end_tokens(const io::GgufFile& file, std::int64_t vocab_size) {
  constexpr std::int64_t kControl = 3;  // llama.h, enum llama_token_type
  constexpr auto kSpelt = std::to_array<std::string_view>(
      {"<|eot_id|>", "<|im_end|>", "<|end|>", "<|endoftext|>", "</s>", "<|eom_id|>", "<|end_of_text|>"});
  std::vector<std::int64_t> ids;
  const auto add = [&](std::int64_t id) {
    if (std::ranges::find(ids, id) == ids.end()) ids.push_back(id);
  };
  for (const char* name : {"eos", "eot", "eom"}) {
    if (const auto id = file.integer("tokenizer.ggml." + std::string(name) + "_token_id")) add(*id);
  }
  const auto* tokens = file.texts("tokenizer.ggml.tokens");
  const auto types = file.integers("tokenizer.ggml.token_type");
  if (tokens == nullptr || !types || types->size() != tokens->size()) return ids;
  for (std::size_t i = 0; i < tokens->size() && static_cast<std::int64_t>(i) < vocab_size; ++i) {
    const bool ends = (*types)[i] == kControl && std::ranges::find(kSpelt, (*tokens)[i]) != kSpelt.end();
    if (ends) add(static_cast<std::int64_t>(i));
  }
  return ids;
}

Family family_of_gguf(const std::string& architecture, const std::string& source) {
  for (const auto family : {Family::kLlama, Family::kQwen2, Family::kQwen3, Family::kGpt2}) {
    if (architecture == enum_name(family)) return family;
  }
  throw InputError(source + ": general.architecture " + io::quote(architecture) +
                   " is not one of those read here: llama, qwen2, qwen3, gpt2");
}

}  // namespace

TransformerOptions gguf_options(const io::GgufFile& file) {
  const auto architecture = file.text("general.architecture").value_or("");
  auto options = defaults_of(family_of_gguf(architecture, file.source()));
  const ArchitectureKeys keys(file, architecture);
  options.layers = keys.integer("block_count");
  options.hidden_size = keys.integer("embedding_length");
  options.intermediate_size = keys.integer("feed_forward_length");
  options.heads = keys.integer("attention.head_count");
  options.kv_heads = keys.integer("attention.head_count_kv", options.heads);
  options.max_positions = keys.integer("context_length");
  if (options.heads < 1) throw InputError(file.source() + ": '" + keys.key("attention.head_count") + "' is below 1");
  options.head_dim = keys.integer("attention.key_length", options.hidden_size / options.heads);
  if (keys.integer("expert_count", 0) != 0) throw InputError(file.source() + ": mixtures of experts are not read here");
  const auto embedding = file.tensors().find("token_embd.weight");
  if (embedding == file.tensors().end() || embedding->second.shape.empty()) {
    throw InputError(file.source() + ": tensor 'token_embd.weight' is missing");
  }
  options.vocab_size = embedding->second.shape.front();
  options.tied = !file.contains("output.weight");
  const bool gpt2 = options.family == Family::kGpt2;
  options.norm_epsilon =
      keys.number(gpt2 ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon", options.norm_epsilon);
  if (!gpt2) {
    options.qkv_bias = file.contains("blk.0.attn_q.bias");
    options.output_bias = file.contains("blk.0.attn_output.bias");
    options.mlp_bias = file.contains("blk.0.ffn_up.bias");
    options.rope = rope_of_gguf(file, keys, options.head_dim);
  }
  options.bos_token = file.integer("tokenizer.ggml.bos_token_id");
  options.pad_token = file.integer("tokenizer.ggml.padding_token_id");
  options.eos_tokens = end_tokens(file, options.vocab_size);
  if (const auto problems = options.problems(); !problems.empty()) {
    throw InputError(file.source() + ": '" + problems.front().field + "' " + problems.front().message);
  }
  return options;
}

std::optional<std::string> own_name_of_gguf(const std::string& name, Family family) {
  if (name == "rope_freqs.weight") return std::nullopt;
  const auto unknown = [&] {
    return InputError("GGUF tensor " + io::quote(name) + " has no place in a " + std::string(enum_name(family)) +
                      " model");
  };
  const bool gpt2 = family == Family::kGpt2;
  const auto last = name.rfind('.');
  if (last == std::string::npos) throw unknown();
  const std::string_view view = name, kind = view.substr(last);  // ".weight" or ".bias"
  std::string_view stem = view.substr(0, last);
  std::string place;
  std::optional<std::string_view> own;
  if (stem.starts_with("blk.")) {
    const auto dot = stem.find('.', 4);
    if (dot == std::string_view::npos) throw unknown();
    place = std::string(gpt2 ? "transformer.h." : "model.layers.") + std::string(stem.substr(4, dot - 4)) + ".";
    stem = stem.substr(dot + 1);
    own = gpt2 ? translate(kGpt2Layer, stem) : translate(kLlamaLayer, stem);
  } else {
    own = gpt2 ? translate(kGpt2Top, stem) : translate(kLlamaTop, stem);
  }
  if (!own || (kind != ".weight" && kind != ".bias")) throw unknown();
  return place + std::string(*own) + std::string(kind);
}

torch::Tensor undo_pair_order(const torch::Tensor& weight, std::int64_t heads) {
  const auto half = weight.size(0) / heads / 2;
  auto sizes = weight.sizes().vec();
  sizes.erase(sizes.begin());
  sizes.insert(sizes.begin(), {heads, half, 2});
  return weight.reshape(sizes).transpose(1, 2).reshape(weight.sizes());
}

std::shared_ptr<CausalLm> load_gguf_causal_lm(const std::filesystem::path& path, torch::ScalarType dtype) {
  const io::GgufFile file(path);
  const auto options = gguf_options(file);
  std::map<std::string, torch::Tensor> tensors;
  for (const auto& [name, info] : file.tensors()) {
    const auto own = own_name_of_gguf(name, options.family);
    if (!own) continue;
    auto tensor = file.tensor(name, dtype);
    if (options.family == Family::kLlama) {
      const bool query = name.find(".attn_q.") != std::string::npos, key = name.find(".attn_k.") != std::string::npos;
      const auto heads = query ? options.heads : options.kv_heads;
      if ((query || key) && tensor.dim() > 0 && tensor.size(0) == heads * options.head_dim) {
        tensor = undo_pair_order(tensor, heads);
      }
    }
    tensors.emplace(*own, std::move(tensor));
  }
  return make_causal_lm(options, tensors, path.string(), dtype);
}

}  // namespace drystill::language
