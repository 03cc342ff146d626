#include "distiller/language/student.h"

#include <ATen/ops/tensor.h>

#include "core/error.h"

namespace drystill::distiller {

LanguageStudent::LanguageStudent(std::shared_ptr<language::CausalLm> model, const TrainableOptions& options,
                                 const std::vector<std::int64_t>& prefix_tokens, SeedStreams& seeds)
    : model_(std::move(model)) {
  if (const auto* lora = std::get_if<LoraParameters>(&options)) {
    model_->freeze();
    adapter_ = std::make_shared<language::LoraAdapter>(
        model_, language::LoraOptions{.rank = lora->rank, .alpha = lora->alpha, .targets = lora->targets},
        seeds.cpu_stream("student.initialisation"));
    trainable_ = adapter_->parameters();
  } else if (const auto* kv = std::get_if<KvPrefixParameters>(&options)) {
    if (std::ssize(prefix_tokens) < kv->length) {
      throw InputError(kv->text + ": " + std::to_string(prefix_tokens.size()) + " tokens, fewer than the prefix of " +
                       std::to_string(kv->length) + "; lower `trainable.length` or give a longer text");
    }
    model_->freeze();
    const std::vector<std::int64_t> first(prefix_tokens.begin(), prefix_tokens.begin() + kv->length);
    prefix_ = language::KvPrefix::from_text(*model_, at::tensor(first, torch::kInt64), kv->frozen);
    trainable_ = prefix_->parameters();
  } else {
    trainable_ = model_->parameters();
  }
}

torch::Tensor LanguageStudent::hidden(const language::TokenBatch& tokens,
                                      std::vector<torch::Tensor>* layer_states) const {
  if (!prefix_) return model_->hidden(tokens, {.layer_states = layer_states});
  const language::PrefixKeyValues before = prefix_->key_values();
  return model_->hidden(tokens, {.prefix = &before, .layer_states = layer_states});
}

}  // namespace drystill::distiller
