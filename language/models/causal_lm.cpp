#include "language/models/causal_lm.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/ones.h>

#include <cmath>

#include "core/error.h"
#include "io/quote.h"
#include "kernels/matrix_product.h"
#include "language/models/attention_mask.h"
#include "language/models/gradient_checkpoint.h"

namespace drystill::language {
namespace {

void check(const TransformerOptions& options) {
  const auto problems = options.problems();
  if (problems.empty()) return;
  throw ConfigError("[language.CausalLm] '" + problems.front().field + "' " + problems.front().message);
}

void check_ids(const torch::Tensor& ids, std::int64_t vocab_size) {
  if (ids.dim() != 2 || ids.scalar_type() != torch::kInt64) {
    throw InputError("[language.CausalLm] expected token ids int64 [N, T], got " + io::shape_text(ids.sizes()) + " " +
                     torch::toString(ids.scalar_type()));
  }
  if (!ids.is_cpu() || ids.numel() == 0) return;  // elsewhere the check would wait for the device
  const auto low = ids.min().item<std::int64_t>(), high = ids.max().item<std::int64_t>();
  if (low < 0 || high >= vocab_size) {
    throw InputError("[language.CausalLm] token id " + std::to_string(low < 0 ? low : high) + ", expected 0 to " +
                     std::to_string(vocab_size - 1) + "; does the tokenizer belong to this model?");
  }
}

void check_mask(const torch::Tensor& mask, std::int64_t rows, std::int64_t width) {
  if (mask.defined() && (mask.scalar_type() != torch::kBool || mask.sizes() != at::IntArrayRef({rows, width}))) {
    throw InputError("[language.CausalLm] expected a mask bool [" + std::to_string(rows) + ", " +
                     std::to_string(width) + "], got " + io::shape_text(mask.sizes()) + " " +
                     torch::toString(mask.scalar_type()));
  }
}

// How many entries stand before the text, and which keys of all are tokens (undefined: all).
struct Past {
  std::int64_t entries = 0;
  torch::Tensor valid;
};

Past past_of(const TokenBatch& batch, std::int64_t rows, std::int64_t width, const ForwardOptions& options,
             const torch::TensorOptions& booleans) {
  Past past;
  torch::Tensor before;
  if (options.cache != nullptr) {
    past.entries = options.cache->length();
    if (options.cache->has_padding()) before = options.cache->valid();
  } else if (options.prefix != nullptr) {
    past.entries = options.prefix->keys.front().size(2);
  }
  const auto all = [&](std::int64_t count) { return at::ones({rows, count}, booleans); };
  const bool mask_matters = batch.mask.defined() && !is_right_padded(batch.mask);
  if (!before.defined() && !mask_matters) return past;
  past.valid =
      at::cat({before.defined() ? before : all(past.entries), batch.mask.defined() ? batch.mask : all(width)}, 1);
  return past;
}

torch::Tensor positions_of(const TokenBatch& batch, const Past& past, const ForwardOptions& options, std::int64_t width,
                           torch::Device device) {
  if (batch.positions.defined()) return batch.positions;
  const bool counted = options.cache != nullptr && options.cache->has_padding();
  const auto text = past.valid.defined() && batch.mask.defined()
                        ? token_positions(batch.mask)
                        : at::arange(width, torch::TensorOptions(torch::kInt64).device(device)).unsqueeze(0);
  return counted ? text + options.cache->counts().unsqueeze(1) : text + past.entries;
}

}  // namespace

CausalLm::CausalLm(const TransformerOptions& options, const torch::TensorOptions& tensor_options) : options_(options) {
  check(options);
  const bool gpt2 = options.family == Family::kGpt2;
  const auto body = register_module(gpt2 ? "transformer" : "model", std::make_shared<torch::nn::Module>());
  embedding_ =
      body->register_module(gpt2 ? "wte" : "embed_tokens",
                            std::make_shared<Embedding>(options.vocab_size, options.hidden_size, tensor_options));
  if (options.position == PositionKind::kLearned) {
    position_embedding_ = body->register_module(
        "wpe", std::make_shared<Embedding>(options.max_positions, options.hidden_size, tensor_options));
  } else {
    frequencies_ = rotary_frequencies(options.rope, options.head_dim);
  }
  const auto stack = body->register_module(gpt2 ? "h" : "layers", std::make_shared<torch::nn::Module>());
  for (std::int64_t i = 0; i < options.layers; ++i) {
    layers_.push_back(
        stack->register_module(std::to_string(i), std::make_shared<DecoderLayer>(options, i, tensor_options)));
  }
  norm_ = body->register_module(gpt2 ? "ln_f" : "norm", std::make_shared<Norm>(options.norm, options.hidden_size,
                                                                               options.norm_epsilon, tensor_options));
  if (!options.tied) {
    head_ = register_module("lm_head",
                            std::make_shared<Linear>(options.hidden_size, options.vocab_size, false, tensor_options));
  }
}

void CausalLm::initialise(at::Generator generator) {
  const torch::NoGradGuard no_grad;
  const double narrow = 1 / std::sqrt(2.0 * static_cast<double>(options_.layers));
  for (const auto& item : named_parameters()) {
    auto parameter = item.value();
    if (parameter.dim() >= 2) {
      const bool residual = options_.family == Family::kGpt2 && item.key().ends_with("c_proj.weight");
      parameter.normal_(0, options_.initializer_range * (residual ? narrow : 1), generator);
    } else {
      parameter.fill_(item.key().ends_with("bias") ? 0 : 1);
    }
  }
}

torch::Tensor CausalLm::hidden(const TokenBatch& batch, const ForwardOptions& options) const {
  check_ids(batch.ids, options_.vocab_size);
  return hidden_of_embeddings(embedding_->forward(batch.ids), batch, options);
}

torch::Tensor CausalLm::hidden_of_embeddings(const torch::Tensor& embeddings, const TokenBatch& batch,
                                             const ForwardOptions& options) const {
  const auto rows = embeddings.size(0), width = embeddings.size(1);
  check_mask(batch.mask, rows, width);
  if (options.cache != nullptr && options.prefix != nullptr) {
    throw InputError("[language.CausalLm] a cache and a prefix exclude each other; put the prefix into the cache");
  }
  if (options.prefix != nullptr &&
      (options.prefix->keys.size() != layers_.size() || options.prefix->values.size() != layers_.size())) {
    throw InputError("[language.CausalLm] a prefix of " + std::to_string(options.prefix->keys.size()) +
                     " layers, the model has " + std::to_string(layers_.size()));
  }
  auto x = embeddings.to(compute_dtype());
  const auto past = past_of(batch, rows, width, options, x.options().dtype(torch::kBool));
  const auto positions = positions_of(batch, past, options, width, x.device());

  LayerInputs inputs;
  inputs.cache = options.cache;
  if (past.valid.defined() || (past.entries > 0 && width > 1)) {
    inputs.mask = causal_mask(width, past.entries + width, past.valid, x.options().requires_grad(false));
  } else {
    inputs.causal = width > 1;
  }
  if (position_embedding_) {
    if (positions.numel() > 0 && positions.max().item<std::int64_t>() >= options_.max_positions) {
      throw InputError("[language.CausalLm] position " + std::to_string(positions.max().item<std::int64_t>()) +
                       ", but the model has learned " + std::to_string(options_.max_positions) + "; shorten the text");
    }
    x = x + position_embedding_->forward(positions).to(x.scalar_type());
  } else {
    inputs.rotation = rotation(positions);
  }

  if (options.layer_states != nullptr) options.layer_states->assign(1, x);
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    if (options.prefix != nullptr) {
      inputs.prefix_key = options.prefix->keys.at(i);
      inputs.prefix_value = options.prefix->values.at(i);
    }
    if (gradient_checkpointing_ && options.cache == nullptr && torch::GradMode::is_enabled()) {
      auto learnable = layers_[i]->learnable();
      if (options.prefix != nullptr) learnable.insert(learnable.end(), {inputs.prefix_key, inputs.prefix_value});
      x = checkpointed([layer = layers_[i], inputs](const torch::Tensor& y) { return layer->forward(y, inputs); }, x,
                       learnable);
    } else {
      x = layers_[i]->forward(x, inputs);
    }
    if (options.layer_states != nullptr) options.layer_states->push_back(x);
  }
  if (options.cache != nullptr) options.cache->advance(width, batch.mask);
  return norm_->forward(x);
}

torch::Tensor CausalLm::through_layers(torch::Tensor state, std::span<const std::int64_t> layers) const {
  const std::int64_t width = state.size(1);
  LayerInputs inputs;
  inputs.causal = width > 1;
  if (!position_embedding_) {
    inputs.rotation = rotation(at::arange(width, state.options().dtype(torch::kInt64)).unsqueeze(0));
  }
  for (const std::int64_t layer : layers) state = layers_.at(static_cast<std::size_t>(layer))->forward(state, inputs);
  return state;
}

torch::Tensor CausalLm::head(const torch::Tensor& hidden) const {
  return head_ ? head_->forward(hidden) : kernels::linear(hidden, embedding_->weight().to(hidden.scalar_type()));
}

const torch::Tensor& CausalLm::output_weight() const {
  return head_ ? head_->weight() : embedding_->weight();
}

const torch::Tensor& CausalLm::input_weight() const {
  return embedding_->weight();
}

torch::ScalarType CausalLm::compute_dtype() const {
  return compute_dtype_.value_or(embedding_->weight().scalar_type());
}

void CausalLm::freeze() {
  for (auto& parameter : parameters()) parameter.set_requires_grad(false);
}

torch::OrderedDict<std::string, std::shared_ptr<Linear>> CausalLm::linears() const {
  torch::OrderedDict<std::string, std::shared_ptr<Linear>> found;
  for (const auto& item : named_modules("", /*include_self=*/false)) {
    if (auto linear = std::dynamic_pointer_cast<Linear>(item.value())) found.insert(item.key(), std::move(linear));
  }
  return found;
}

std::shared_ptr<CausalLm> CausalLm::without_adapter() const {
  auto other = std::make_shared<CausalLm>(options_, embedding_->weight().options().requires_grad(false));
  const auto mine = parameters();
  auto theirs = other->parameters();
  for (std::size_t i = 0; i < mine.size(); ++i) theirs[i].set_data(mine[i].detach());
  other->compute_dtype_ = compute_dtype_;
  other->gradient_checkpointing_ = gradient_checkpointing_;
  return other;
}

std::shared_ptr<CausalLm> CausalLm::copy() const {
  auto other = without_adapter();
  const auto mine = parameters();
  auto theirs = other->parameters();
  for (std::size_t i = 0; i < mine.size(); ++i) {
    theirs[i].set_data(theirs[i].detach().clone());
    theirs[i].requires_grad_(mine[i].requires_grad());
  }
  return other;
}

Rotation CausalLm::rotation(const torch::Tensor& positions) const {
  return rotation_of(positions, frequencies_.to(positions.device()));
}

}  // namespace drystill::language
