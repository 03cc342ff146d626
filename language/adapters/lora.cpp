#include "language/adapters/lora.h"

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "io/atomic_file.h"
#include "io/json_file.h"
#include "io/safetensors.h"
#include "language/models/json_fields.h"

namespace drystill::language {
namespace {

constexpr const char* kConfigFile = "adapter_config.json";
constexpr const char* kWeightsFile = "adapter_model.safetensors";
constexpr double kPeftAlpha = 8;  // of LoraConfig, where the file has none
constexpr std::string_view kPrefix = "base_model.model.";
constexpr std::string_view kSuffixA = ".lora_A.weight", kSuffixB = ".lora_B.weight";

// Losses and sampling read the head's weight as it is: a correction of it would be neither trained nor seen.
constexpr std::string_view kHead = "lm_head";

bool is_target(const std::string& name, const std::string& target) {
  return name == target || name.ends_with("." + target);
}

// Module names of the linears that `options` chooses, in the model's order.
std::vector<std::string> chosen_linears(const CausalLm& model, const LoraOptions& options) {
  std::vector<std::string> names;
  std::set<std::string> unused(options.targets.begin(), options.targets.end());
  for (const auto& item : model.linears()) {
    bool chosen = options.targets.empty() && item.key() != kHead;
    for (const auto& target : options.targets) {
      if (!is_target(item.key(), target)) continue;
      chosen = true;
      unused.erase(target);
    }
    if (chosen && item.key() == kHead) {
      throw ConfigError("[language.LoraAdapter] target 'lm_head': the output head cannot be adapted; leave it out");
    }
    if (chosen) names.push_back(item.key());
  }
  if (!unused.empty()) {
    throw ConfigError("[language.LoraAdapter] target " + io::quote(*unused.begin()) + " fits no linear layer of a " +
                      std::string(enum_name(model.options().family)) + " model");
  }
  return names;
}

std::string key_of(std::string name) {  // parameters of a module may not have dots in their names
  std::ranges::replace(name, '.', '/');
  return name;
}

// Initialisations that leave the model as it is. Others (pissa, olora, corda, loftq, ...) change its weights when PEFT
// loads the adapter, which is meant for those.
void require_plain_initialisation(const JsonFields& config) {
  constexpr const char* kKey = "init_lora_weights";
  if (!config.has(kKey) || config.at(kKey).is_boolean()) return;
  const auto name = config.text(kKey, "");
  if (name == "gaussian" || name == "eva" || name == "orthogonal") return;
  throw InputError(config.source() + ": " + kKey + " is " + io::quote(name) +
                   ", which changes the model's own weights; expected true, false, gaussian, eva or orthogonal");
}

void require_plain(const JsonFields& config) {
  const auto type = config.text("peft_type", "LORA");
  if (type != "LORA") throw InputError(config.source() + ": peft_type " + io::quote(type) + ", expected LORA");
  for (const char* flag : {"use_dora", "use_rslora", "use_qalora", "lora_bias"}) {
    if (config.boolean(flag, false)) throw InputError(config.source() + ": " + flag + " is on, which is not read here");
  }
  for (const char* key : {"rank_pattern", "alpha_pattern", "modules_to_save", "layer_replication", "target_parameters",
                          "trainable_token_indices"}) {
    if (config.has(key) && !config.at(key).empty()) {
      throw InputError(config.source() + ": '" + key + "' is set, which is not read here");
    }
  }
  if (config.has("alora_invocation_tokens")) {
    throw InputError(config.source() + ": 'alora_invocation_tokens' is set (activated LoRA), which is not read here");
  }
  if (config.text("bias", "none") != "none") throw InputError(config.source() + ": trained biases are not read here");
  require_plain_initialisation(config);
}

}  // namespace

LoraAdapter::LoraAdapter(const std::shared_ptr<CausalLm>& model, const LoraOptions& options, at::Generator generator)
    : LoraAdapter(model, options, chosen_linears(*model, options)) {
  const torch::NoGradGuard no_grad;
  for (const auto& target : targets_) {
    const double bound = 1 / std::sqrt(static_cast<double>(target.linear->in_features()));
    target.low_rank->a.uniform_(-bound, bound, generator);
  }
}

LoraAdapter::LoraAdapter(std::shared_ptr<CausalLm> model, const LoraOptions& options,
                         const std::vector<std::string>& names)
    : model_(std::move(model)), options_(options) {
  if (options.rank < 1 || options.rank > 65536 || !(options.alpha > 0)) {
    throw ConfigError("[language.LoraAdapter] expected a rank of 1 to 65536 and a positive alpha, got " +
                      std::to_string(options.rank) + " and " + std::to_string(options.alpha));
  }
  attach(names);
}

void LoraAdapter::attach(const std::vector<std::string>& names) {
  const auto linears = model_->linears();
  for (const auto& name : names) {
    const auto* found = linears.find(name);
    if (found == nullptr) throw InputError("[language.LoraAdapter] the model has no linear layer " + io::quote(name));
    const auto& linear = *found;
    if (linear->low_rank()) throw ConfigError("[language.LoraAdapter] the model has an adapter already");
    const auto type = linear->weight().options().dtype(torch::kFloat32).requires_grad(false);
    auto low_rank = std::make_shared<LowRank>();
    const auto key = key_of(name);
    low_rank->a = register_parameter(key + "/lora_A", at::zeros({options_.rank, linear->in_features()}, type));
    low_rank->b = register_parameter(key + "/lora_B", at::zeros({linear->out_features(), options_.rank}, type));
    low_rank->scale = scale();
    targets_.push_back({name, linear, std::move(low_rank)});
  }
  for (const auto& target : targets_) target.linear->set_low_rank(target.low_rank);
}

LoraAdapter::~LoraAdapter() {
  for (const auto& target : targets_) target.linear->set_low_rank(nullptr);
}

void LoraAdapter::save(const std::filesystem::path& folder, const std::string& base) const {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw RunError(io::quote(folder.string()) + ": cannot be made: " + error.message());
  std::map<std::string, torch::Tensor> tensors;
  std::vector<std::string> names;
  for (const auto& target : targets_) {
    tensors[std::string(kPrefix) + target.name + std::string(kSuffixA)] = target.low_rank->a.detach();
    tensors[std::string(kPrefix) + target.name + std::string(kSuffixB)] = target.low_rank->b.detach();
    names.push_back(target.name);
  }
  nlohmann::ordered_json config;
  config["peft_type"] = "LORA";
  config["task_type"] = "CAUSAL_LM";
  config["base_model_name_or_path"] = base;
  config["r"] = options_.rank;
  config["lora_alpha"] = options_.alpha;
  config["lora_dropout"] = 0.0;
  config["bias"] = "none";
  config["fan_in_fan_out"] = model_->options().family == Family::kGpt2;
  config["inference_mode"] = true;
  config["target_modules"] = options_.targets.empty() ? names : options_.targets;
  io::write_safetensors(folder / kWeightsFile, tensors);
  io::write_file(folder / kConfigFile, config.dump(2) + "\n");
}

std::shared_ptr<LoraAdapter> LoraAdapter::load(const std::filesystem::path& folder, std::shared_ptr<CausalLm> model) {
  const auto source = io::quote((folder / kConfigFile).string());
  const auto json = io::read_json_object(folder / kConfigFile);
  const JsonFields config(json, source);
  require_plain(config);
  LoraOptions options;
  options.rank = config.integer("r");
  options.alpha = config.number("lora_alpha", kPeftAlpha);
  if (config.has("target_modules") && config.at("target_modules").is_array()) {
    options.targets = config.texts("target_modules");
  }

  const auto file = io::read_safetensors(folder / kWeightsFile);
  const auto weights = io::quote((folder / kWeightsFile).string());
  const auto refused = [&](const std::string& name, const std::string& why) {
    return InputError(weights + ": " + io::quote(name) + " " + why);
  };
  std::vector<std::string> names;
  for (const auto& [name, tensor] : file.tensors) {
    const bool known = name.starts_with(kPrefix) && (name.ends_with(kSuffixA) || name.ends_with(kSuffixB));
    if (!known) throw refused(name, "is no LoRA tensor of a causal language model");
    if (!name.ends_with(kSuffixA)) continue;
    if (tensor.dim() != 2 || tensor.size(0) != options.rank) {  // before anything of that rank is made
      throw refused(name, "expected " + std::to_string(options.rank) + " rows, 'r' of " + source + ", got " +
                              io::shape_text(tensor.sizes()));
    }
    names.push_back(name.substr(kPrefix.size(), name.size() - kPrefix.size() - kSuffixA.size()));
    if (names.back() == kHead) {
      throw refused(name, "adapts the output head, which is not read here");
    }
  }
  // make_shared cannot reach the private constructor.
  std::shared_ptr<LoraAdapter> adapter(new LoraAdapter(std::move(model), options, names));
  const torch::NoGradGuard no_grad;
  if (file.tensors.size() != 2 * names.size()) throw InputError(weights + ": lora_A and lora_B do not come in pairs");
  for (const auto& target : adapter->targets_) {
    const auto fill = [&](const torch::Tensor& parameter, std::string_view suffix) {
      const auto name = std::string(kPrefix) + target.name + std::string(suffix);
      const auto found = file.tensors.find(name);
      if (found == file.tensors.end() || found->second.sizes() != parameter.sizes()) {
        throw InputError(weights + ": " + io::quote(name) + " expected " + io::shape_text(parameter.sizes()) +
                         ", got " + (found == file.tensors.end() ? "none" : io::shape_text(found->second.sizes())));
      }
      parameter.copy_(found->second);
    };
    fill(target.low_rank->a, kSuffixA);
    fill(target.low_rank->b, kSuffixB);
  }
  return adapter;
}

}  // namespace drystill::language
