#pragma once

#include <ATen/core/Generator.h>
#include <torch/nn/module.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "language/adapters/lora_options.h"
#include "language/models/causal_lm.h"

namespace drystill::language {

// Low-rank corrections of a model's linear layers. The parameters are this module's; the model's own stay as they are
// (freeze them to train the adapter alone). Float32 whatever the model is. The adapter acts on the model as long as it
// lives; one adapter a model. CausalLm::without_adapter is the model as it was before: the "initial" teacher.
class LoraAdapter : public torch::nn::Module {
 public:
  // A is drawn as PEFT draws it, U(-1/sqrt(in), 1/sqrt(in)); B is zero, so nothing changes yet. ConfigError where a
  // target fits no linear layer of the model.
  LoraAdapter(const std::shared_ptr<CausalLm>& model, const LoraOptions& options, at::Generator generator);
  ~LoraAdapter() override;
  LoraAdapter(const LoraAdapter&) = delete;
  LoraAdapter& operator=(const LoraAdapter&) = delete;

  // adapter_config.json and adapter_model.safetensors, which Python's `peft` loads over the model called `base`.
  void save(const std::filesystem::path& folder, const std::string& base) const;

  const LoraOptions& options() const { return options_; }
  double scale() const { return options_.alpha / static_cast<double>(options_.rank); }

  // A PEFT folder over `model`. The file's tensors say which layers are meant. InputError where it is no plain LoRA
  // (DoRA, rank patterns, trained biases or further modules, an initialisation that changes the model) or does not fit
  // the model.
  static std::shared_ptr<LoraAdapter> load(const std::filesystem::path& folder, std::shared_ptr<CausalLm> model);

 private:
  struct Target {
    std::string name;  // "model.layers.0.self_attn.q_proj"
    std::shared_ptr<Linear> linear;
    std::shared_ptr<LowRank> low_rank;
  };
  LoraAdapter(std::shared_ptr<CausalLm> model, const LoraOptions& options, const std::vector<std::string>& names);
  void attach(const std::vector<std::string>& names);

  std::shared_ptr<CausalLm> model_;
  LoraOptions options_;
  std::vector<Target> targets_;
};

}  // namespace drystill::language
