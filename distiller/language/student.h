#pragma once

#include <memory>
#include <vector>

#include "core/seeds.h"
#include "distiller/language/options.h"
#include "language/adapters/kv_prefix.h"
#include "language/adapters/lora.h"
#include "language/models/causal_lm.h"

namespace drystill::distiller {

// A language model with what is trained of it: all its weights, a low-rank adapter, or a prefix of keys and values.
class LanguageStudent {
 public:
  // `prefix_tokens` are the text that a kv_prefix starts as; unused by the others. Throws ConfigError where the options
  // do not fit the model, InputError where the text is shorter than the prefix.
  LanguageStudent(std::shared_ptr<language::CausalLm> model, const TrainableOptions& options,
                  const std::vector<std::int64_t>& prefix_tokens, SeedStreams& seeds);

  // A finished student, which nobody trains: the whole model, or one with what was trained of it.
  explicit LanguageStudent(std::shared_ptr<language::CausalLm> model) : model_(std::move(model)) {}
  LanguageStudent(std::shared_ptr<language::CausalLm> model, std::shared_ptr<language::LoraAdapter> adapter)
      : model_(std::move(model)), adapter_(std::move(adapter)) {}
  LanguageStudent(std::shared_ptr<language::CausalLm> model, std::shared_ptr<language::KvPrefix> prefix)
      : model_(std::move(model)), prefix_(std::move(prefix)) {}

  // [N, T] -> [N, T, H]; `layer_states` gets what ForwardOptions says.
  torch::Tensor hidden(const language::TokenBatch& tokens, std::vector<torch::Tensor>* layer_states = nullptr) const;
  const torch::Tensor& output_weight() const { return model_->output_weight(); }

  const std::shared_ptr<language::CausalLm>& model() const { return model_; }
  const std::shared_ptr<language::LoraAdapter>& adapter() const { return adapter_; }
  const std::shared_ptr<language::KvPrefix>& prefix() const { return prefix_; }
  const std::vector<torch::Tensor>& trainable() const { return trainable_; }

 private:
  std::shared_ptr<language::CausalLm> model_;
  std::shared_ptr<language::LoraAdapter> adapter_;
  std::shared_ptr<language::KvPrefix> prefix_;
  std::vector<torch::Tensor> trainable_;
};

}  // namespace drystill::distiller
