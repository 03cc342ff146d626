#include "language/models/hf_config.h"

#include <algorithm>

#include "io/json_file.h"
#include "language/models/json_fields.h"

namespace drystill::language {
namespace {

// Of transformers' configurations, where the file has none.
constexpr std::int64_t kQwen3HeadDim = 128;
constexpr std::int64_t kMistralWindow = 4096;  // null: none

struct ArchitectureName {
  Family family;
  const char* name;
};
constexpr auto kArchitectures = std::to_array<ArchitectureName>({{Family::kLlama, "LlamaForCausalLM"},
                                                                 {Family::kMistral, "MistralForCausalLM"},
                                                                 {Family::kQwen2, "Qwen2ForCausalLM"},
                                                                 {Family::kQwen3, "Qwen3ForCausalLM"},
                                                                 {Family::kGpt2, "GPT2LMHeadModel"}});

[[noreturn]] void refuse(const JsonFields& fields, const std::string& what) {
  throw InputError(fields.source() + ": " + what);
}

Family family_of(const JsonFields& fields) {
  const auto type = fields.text("model_type", "");
  const auto names = enum_names(Family::kLlama);
  const auto found = std::ranges::find(names, type);
  if (found == names.end()) {
    std::string known;
    for (const auto name : names) known += (known.empty() ? "" : ", ") + std::string(name);
    refuse(fields, "model_type " + io::quote(type) + " is not one of the families read here: " + known);
  }
  return static_cast<Family>(found - names.begin());
}

void require_activation(const JsonFields& fields, const char* key, const std::string& expected) {
  const auto name = fields.text(key, expected);
  if (name != expected) refuse(fields, std::string(key) + " " + io::quote(name) + ", expected '" + expected + "'");
}

// A window as wide as the context cuts nothing off.
void refuse_sliding_window(const JsonFields& fields, Family family, std::int64_t max_positions) {
  for (const auto& type : fields.texts("layer_types")) {
    if (type != "full_attention") refuse(fields, "layer_types holds " + io::quote(type) + ", expected full_attention");
  }
  const bool optional_window = family == Family::kQwen2 || family == Family::kQwen3;
  if (optional_window && !fields.boolean("use_sliding_window", false)) return;
  const bool by_default = family == Family::kMistral && !fields.is_null("sliding_window");
  if (!fields.has("sliding_window") && !by_default) return;
  const auto window = fields.integer("sliding_window", kMistralWindow);
  if (family != Family::kLlama && window < max_positions) {
    refuse(fields, "sliding_window " + std::to_string(window) + " is active; only full attention is computed here");
  }
}

RopeOptions rope_of(const JsonFields& fields, std::int64_t max_positions) {
  RopeOptions rope;
  rope.theta = fields.number("rope_theta", rope.theta);
  const char* key = fields.has("rope_parameters") ? "rope_parameters" : "rope_scaling";
  if (!fields.has(key)) return rope;
  const JsonFields scaling(fields.at(key), fields.source() + ": " + key);
  rope.theta = scaling.number("rope_theta", rope.theta);
  if (scaling.number("partial_rotary_factor", 1) != 1) refuse(scaling, "partial_rotary_factor other than 1");
  const auto type = scaling.text("rope_type", scaling.text("type", "default"));
  if (type == "default") return rope;
  if (type != "linear" && type != "llama3") {
    refuse(scaling, "rope_type " + io::quote(type) + " is not one of those read here: default, linear, llama3");
  }
  rope.scaling = type == "linear" ? RopeScaling::kLinear : RopeScaling::kLlama3;
  rope.factor = scaling.number("factor", rope.factor);
  rope.low_frequency_factor = scaling.number("low_freq_factor", rope.low_frequency_factor);
  rope.high_frequency_factor = scaling.number("high_freq_factor", rope.high_frequency_factor);
  rope.original_max_positions = scaling.integer("original_max_position_embeddings", max_positions);
  return rope;
}

std::int64_t head_dim_of(const JsonFields& fields, const TransformerOptions& options) {
  if (fields.has("head_dim")) return fields.integer("head_dim");
  if (options.family == Family::kQwen3) return kQwen3HeadDim;
  if (options.heads < 1 || options.hidden_size % options.heads != 0) {
    refuse(fields, std::to_string(options.heads) + " heads do not divide the hidden size " +
                       std::to_string(options.hidden_size));
  }
  return options.hidden_size / options.heads;
}

void read_gpt2(const JsonFields& fields, TransformerOptions& options) {
  require_activation(fields, "activation_function", "gelu_new");
  if (fields.boolean("scale_attn_by_inverse_layer_idx", false)) refuse(fields, "scale_attn_by_inverse_layer_idx is on");
  if (!fields.boolean("scale_attn_weights", true)) refuse(fields, "scale_attn_weights is off");
  if (fields.boolean("add_cross_attention", false)) refuse(fields, "add_cross_attention is on");
  options.hidden_size = fields.integer("n_embd");
  options.layers = fields.integer("n_layer");
  options.heads = options.kv_heads = fields.integer("n_head");
  options.max_positions = fields.integer("n_positions", fields.integer("n_ctx", 1024));
  options.norm_epsilon = fields.number("layer_norm_epsilon", 1e-5);
  options.tied = fields.boolean("tie_word_embeddings", true);
  options.head_dim = head_dim_of(fields, options);
  constexpr std::int64_t kFar = std::int64_t{1} << 40;  // the product below stays within 63 bits
  if (options.hidden_size > kFar) refuse(fields, "n_embd is " + std::to_string(options.hidden_size));
  options.intermediate_size = fields.integer("n_inner", 4 * options.hidden_size);
}

void read_llama_like(const JsonFields& fields, TransformerOptions& options) {
  require_activation(fields, "hidden_act", "silu");
  options.hidden_size = fields.integer("hidden_size");
  options.intermediate_size = fields.integer("intermediate_size");
  options.layers = fields.integer("num_hidden_layers");
  options.heads = fields.integer("num_attention_heads");
  options.kv_heads = fields.integer("num_key_value_heads", options.heads);
  options.head_dim = head_dim_of(fields, options);
  options.max_positions = fields.integer("max_position_embeddings", 2048);
  options.norm_epsilon = fields.number("rms_norm_eps", 1e-6);
  options.rope = rope_of(fields, options.max_positions);
  options.tied = fields.boolean("tie_word_embeddings", false);
  if (options.family == Family::kLlama || options.family == Family::kQwen3) {
    options.qkv_bias = options.output_bias = fields.boolean("attention_bias", false);
  }
  if (options.family == Family::kLlama) options.mlp_bias = fields.boolean("mlp_bias", false);
  refuse_sliding_window(fields, options.family, options.max_positions);
}

nlohmann::ordered_json rope_json(const RopeOptions& rope) {
  if (rope.scaling == RopeScaling::kLinear) return {{"rope_type", "linear"}, {"factor", rope.factor}};
  return {{"rope_type", "llama3"},
          {"factor", rope.factor},
          {"low_freq_factor", rope.low_frequency_factor},
          {"high_freq_factor", rope.high_frequency_factor},
          {"original_max_position_embeddings", rope.original_max_positions}};
}

void write_llama_like(const TransformerOptions& options, nlohmann::ordered_json& json) {
  json["hidden_size"] = options.hidden_size;
  json["intermediate_size"] = options.intermediate_size;
  json["num_hidden_layers"] = options.layers;
  json["num_attention_heads"] = options.heads;
  json["num_key_value_heads"] = options.kv_heads;
  json["head_dim"] = options.head_dim;
  json["hidden_act"] = "silu";
  json["max_position_embeddings"] = options.max_positions;
  json["rms_norm_eps"] = options.norm_epsilon;
  json["rope_theta"] = options.rope.theta;
  if (options.rope.scaling != RopeScaling::kNone) json["rope_scaling"] = rope_json(options.rope);
  if (options.family == Family::kLlama) json["mlp_bias"] = options.mlp_bias;
  if (options.family == Family::kLlama || options.family == Family::kQwen3) json["attention_bias"] = options.qkv_bias;
  if (options.family == Family::kQwen2 || options.family == Family::kQwen3) json["use_sliding_window"] = false;
  if (options.family == Family::kMistral) json["sliding_window"] = nullptr;
}

void write_gpt2(const TransformerOptions& options, nlohmann::ordered_json& json) {
  json["n_embd"] = options.hidden_size;
  json["n_inner"] = options.intermediate_size;
  json["n_layer"] = options.layers;
  json["n_head"] = options.heads;
  json["n_positions"] = options.max_positions;
  json["activation_function"] = "gelu_new";
  json["layer_norm_epsilon"] = options.norm_epsilon;
}

const char* dtype_name(torch::ScalarType dtype) {
  switch (dtype) {
    case torch::kBFloat16:
      return "bfloat16";
    case torch::kHalf:
      return "float16";
    case torch::kDouble:
      return "float64";
    default:
      return "float32";
  }
}

TransformerOptions options_of(const nlohmann::json& json, const std::string& source) {
  const JsonFields fields(json, source);
  auto options = defaults_of(family_of(fields));
  if (fields.has("quantization_config")) refuse(fields, "has quantization_config; only plain weights are read");
  options.vocab_size = fields.integer("vocab_size");
  options.initializer_range = fields.number("initializer_range", options.initializer_range);
  if (options.family == Family::kGpt2) {
    read_gpt2(fields, options);
  } else {
    read_llama_like(fields, options);
  }
  options.bos_token = fields.maybe_integer("bos_token_id");
  options.eos_tokens = fields.integers("eos_token_id");
  options.pad_token = fields.maybe_integer("pad_token_id");
  if (const auto problems = options.problems(); !problems.empty()) {
    refuse(fields, "'" + problems.front().field + "' " + problems.front().message);
  }
  return options;
}

}  // namespace

TransformerOptions parse_hf_config(const std::string& text, const std::string& source) {
  const auto fail = [&](const std::string& what) { throw InputError(source + " " + what); };
  return options_of(io::parse_json_object(text, io::JsonLimits{}.depth, fail), source);
}

TransformerOptions read_hf_config(const std::filesystem::path& path) {
  const auto file = std::filesystem::is_directory(path) ? path / "config.json" : path;
  return options_of(io::read_json_object(file), io::quote(file.string()));
}

std::string hf_config_text(const TransformerOptions& options, torch::ScalarType dtype) {
  nlohmann::ordered_json json;
  const auto index = static_cast<std::size_t>(options.family);
  json["architectures"] = {kArchitectures[index].name};
  json["model_type"] = enum_name(options.family);
  json["vocab_size"] = options.vocab_size;
  if (options.family == Family::kGpt2) {
    write_gpt2(options, json);
  } else {
    write_llama_like(options, json);
  }
  json["initializer_range"] = options.initializer_range;
  json["tie_word_embeddings"] = options.tied;
  const auto token = [](const std::optional<std::int64_t>& id) -> nlohmann::ordered_json {
    return id ? nlohmann::ordered_json(*id) : nlohmann::ordered_json(nullptr);
  };
  json["bos_token_id"] = token(options.bos_token);
  if (options.eos_tokens.size() == 1) {
    json["eos_token_id"] = options.eos_tokens.front();
  } else {
    json["eos_token_id"] =
        options.eos_tokens.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(options.eos_tokens);
  }
  json["pad_token_id"] = token(options.pad_token);
  json["torch_dtype"] = dtype_name(dtype);
  return json.dump(2) + "\n";
}

}  // namespace drystill::language
