#include "language/models/causal_lm_folder.h"

#include <algorithm>

#include "io/atomic_file.h"
#include "io/huggingface_folder.h"
#include "io/json_file.h"
#include "io/safetensors.h"
#include "io/state_dict.h"
#include "language/models/gguf_names.h"
#include "language/models/hf_config.h"
#include "language/models/json_fields.h"

namespace drystill::language {
namespace {

using Tensors = std::map<std::string, torch::Tensor>;

constexpr const char* kGenerationConfig = "generation_config.json";

// Published gpt2 weights of its projections are [in, out].
bool is_transposed(const std::string& name, Family family) {
  return family == Family::kGpt2 &&
         (name.ends_with("c_attn.weight") || name.ends_with("c_proj.weight") || name.ends_with("c_fc.weight"));
}

bool is_buffer(const std::string& name) {
  return name.ends_with("rotary_emb.inv_freq") || name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias");
}

void add_generation_config(const std::filesystem::path& folder, TransformerOptions& options) {
  const auto path = folder / kGenerationConfig;
  if (!std::filesystem::exists(path)) return;
  const auto source = io::quote(path.string());
  const auto json = io::read_json_object(path);
  for (const auto id : JsonFields(json, source).integers("eos_token_id")) {
    if (std::ranges::find(options.eos_tokens, id) == options.eos_tokens.end()) options.eos_tokens.push_back(id);
  }
}

}  // namespace

Tensors published_to_own(const Tensors& tensors, const TransformerOptions& options) {
  Tensors own;
  for (const auto& [name, tensor] : tensors) {
    if (is_buffer(name) || (options.tied && name == "lm_head.weight")) continue;
    const bool bare = options.family == Family::kGpt2 && name != "lm_head.weight" && !name.starts_with("transformer.");
    const bool turn = is_transposed(name, options.family) && tensor.dim() == 2;
    own.emplace((bare ? "transformer." : "") + name, turn ? tensor.t().contiguous() : tensor);
  }
  return own;
}

std::shared_ptr<CausalLm> make_causal_lm(const TransformerOptions& options, const Tensors& tensors,
                                         const std::string& source, std::optional<torch::ScalarType> dtype) {
  // A model without memory tells names and shapes, so a configuration that does not fit its file allocates nothing.
  CausalLm shape_only(options, torch::TensorOptions(torch::kFloat32).device(torch::kMeta));
  io::load_into(shape_only, tensors, source);

  const torch::NoGradGuard no_grad;
  const auto embedding =
      tensors.find(options.family == Family::kGpt2 ? "transformer.wte.weight" : "model.embed_tokens.weight");
  const auto type = dtype.value_or(embedding->second.scalar_type());
  auto model = std::make_shared<CausalLm>(options, torch::TensorOptions(type));
  for (auto& item : model->named_parameters()) item.value().set_data(tensors.at(item.key()).to(type).contiguous());
  return model;
}

std::shared_ptr<CausalLm> load_causal_lm(const std::filesystem::path& folder, std::optional<torch::ScalarType> dtype) {
  if (std::filesystem::is_regular_file(folder)) return load_gguf_causal_lm(folder, dtype.value_or(torch::kFloat32));
  auto options = read_hf_config(folder);
  add_generation_config(folder, options);
  const auto tensors = published_to_own(io::read_huggingface_folder(folder).tensors, options);
  return make_causal_lm(options, tensors, folder.string(), dtype);
}

std::shared_ptr<CausalLm> fresh_causal_lm(const std::filesystem::path& config, at::Generator generator) {
  auto options = read_hf_config(config);
  if (std::filesystem::is_directory(config)) add_generation_config(config, options);
  auto model = std::make_shared<CausalLm>(options);
  model->initialise(std::move(generator));
  return model;
}

void save_causal_lm(const std::filesystem::path& folder, const CausalLm& model,
                    const std::map<std::string, std::string>& metadata) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw RunError(io::quote(folder.string()) + ": cannot be made: " + error.message());
  const auto& options = model.options();
  Tensors tensors;
  for (const auto& [name, tensor] : io::state_dict(model)) {
    tensors.emplace(name, is_transposed(name, options.family) ? tensor.t() : tensor);
  }
  io::write_safetensors(folder / "model.safetensors", tensors, metadata);
  io::write_file(folder / "config.json", hf_config_text(options, model.input_weight().scalar_type()));
  // What another model left here would be obeyed; its end tokens, say.
  io::remove_other_weights(folder);
  std::filesystem::remove(folder / kGenerationConfig);
}

}  // namespace drystill::language
