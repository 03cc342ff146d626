#include "language/models/decoder_layer.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/scaled_dot_product_attention.h>

#include <optional>

#include "kernels/transformer_layers.h"

namespace drystill::language {

Attention::Attention(const TransformerOptions& options, const torch::TensorOptions& tensor_options)
    : options_(options) {
  const auto width = options.heads * options.head_dim, kv_width = options.kv_heads * options.head_dim;
  const auto linear = [&](const char* name, std::int64_t in, std::int64_t out, bool bias) {
    return register_module(name, std::make_shared<Linear>(in, out, bias, tensor_options));
  };
  const auto hidden = options.hidden_size;
  if (options.family == Family::kGpt2) {
    qkv_ = linear("c_attn", hidden, 3 * width, options.qkv_bias);
    output_ = linear("c_proj", width, hidden, options.output_bias);
    return;
  }
  query_ = linear("q_proj", hidden, width, options.qkv_bias);
  key_ = linear("k_proj", hidden, kv_width, options.qkv_bias);
  value_ = linear("v_proj", hidden, kv_width, options.qkv_bias);
  output_ = linear("o_proj", width, hidden, options.output_bias);
  if (options.qk_norm) {
    const auto norm = [&](const char* name) {
      return register_module(
          name, std::make_shared<Norm>(NormKind::kRms, options.head_dim, options.norm_epsilon, tensor_options));
    };
    query_norm_ = norm("q_norm");
    key_norm_ = norm("k_norm");
  }
}

Attention::Projections Attention::project(const torch::Tensor& x) const {
  const auto split = [&](const torch::Tensor& y, std::int64_t heads) {
    return y.view({y.size(0), y.size(1), heads, options_.head_dim});
  };
  if (qkv_) {
    const auto parts = qkv_->forward(x).chunk(3, -1);
    return {split(parts[0], options_.heads), split(parts[1], options_.heads), split(parts[2], options_.heads)};
  }
  return {split(query_->forward(x), options_.heads), split(key_->forward(x), options_.kv_heads),
          split(value_->forward(x), options_.kv_heads)};
}

torch::Tensor Attention::forward(const torch::Tensor& x, std::int64_t layer, const LayerInputs& inputs) const {
  auto [query, key, value] = project(x);
  if (query_norm_) {
    query = query_norm_->forward(query);
    key = key_norm_->forward(key);
  }
  if (inputs.rotation.cosine.defined()) {
    query = rotate(query, inputs.rotation);
    key = rotate(key, inputs.rotation);
  }
  const auto finish = [&](const torch::Tensor& mixed) {  // [N, T, heads, head_dim]
    return output_->forward(mixed.reshape({x.size(0), x.size(1), options_.heads * options_.head_dim}));
  };
  if (inputs.cache == nullptr && !inputs.prefix_key.defined() && !inputs.mask.defined()) {
    return finish(kernels::causal_attention(query, key, value));
  }
  query = query.transpose(1, 2);  // [N, heads, T, head_dim]
  key = key.transpose(1, 2);
  value = value.transpose(1, 2);
  if (inputs.cache != nullptr) {
    const auto all = inputs.cache->append(layer, key, value);
    key = all.key;
    value = all.value;
  }
  if (inputs.prefix_key.defined()) {
    const auto before = [&](const torch::Tensor& prefix, const torch::Tensor& text) {
      return at::cat({prefix.to(text.scalar_type()).expand({text.size(0), -1, -1, -1}), text}, 2);
    };
    key = before(inputs.prefix_key, key);
    value = before(inputs.prefix_value, value);
  }
  const auto mask = inputs.mask.defined() ? std::optional<torch::Tensor>(inputs.mask) : std::nullopt;
  const bool grouped = options_.heads != options_.kv_heads;  // heads share keys in place, without copies of them
  const auto mixed = at::scaled_dot_product_attention(query, key, value, mask, /*dropout_p=*/0.0,
                                                      !mask && inputs.causal, /*scale=*/std::nullopt, grouped);
  return finish(mixed.transpose(1, 2));
}

FeedForward::FeedForward(const TransformerOptions& options, const torch::TensorOptions& tensor_options) {
  const auto linear = [&](const char* name, std::int64_t in, std::int64_t out) {
    return register_module(name, std::make_shared<Linear>(in, out, options.mlp_bias, tensor_options));
  };
  const auto hidden = options.hidden_size, inner = options.intermediate_size;
  if (options.family == Family::kGpt2) {
    up_ = linear("c_fc", hidden, inner);
    down_ = linear("c_proj", inner, hidden);
    return;
  }
  gate_ = linear("gate_proj", hidden, inner);
  up_ = linear("up_proj", hidden, inner);
  down_ = linear("down_proj", inner, hidden);
}

torch::Tensor FeedForward::forward(const torch::Tensor& x) const {
  if (!gate_) return down_->forward(at::gelu(up_->forward(x), "tanh"));
  return down_->forward(kernels::silu_product(gate_->forward(x), up_->forward(x)));
}

DecoderLayer::DecoderLayer(const TransformerOptions& options, std::int64_t index,
                           const torch::TensorOptions& tensor_options)
    : index_(index) {
  const bool gpt2 = options.family == Family::kGpt2;
  const auto norm = [&] {
    return std::make_shared<Norm>(options.norm, options.hidden_size, options.norm_epsilon, tensor_options);
  };
  attention_norm_ = register_module(gpt2 ? "ln_1" : "input_layernorm", norm());
  attention_ = register_module(gpt2 ? "attn" : "self_attn", std::make_shared<Attention>(options, tensor_options));
  feed_forward_norm_ = register_module(gpt2 ? "ln_2" : "post_attention_layernorm", norm());
  feed_forward_ = register_module("mlp", std::make_shared<FeedForward>(options, tensor_options));
}

torch::Tensor DecoderLayer::forward(const torch::Tensor& x, const LayerInputs& inputs) const {
  const auto attended = x + attention_->forward(attention_norm_->forward(x), index_, inputs);
  return attended + feed_forward_->forward(feed_forward_norm_->forward(attended));
}

std::vector<torch::Tensor> DecoderLayer::learnable() const {
  auto tensors = parameters();
  for (const auto& module : modules(/*include_self=*/false)) {
    const auto* linear = dynamic_cast<const Linear*>(module.get());
    if (linear == nullptr || !linear->low_rank()) continue;
    tensors.push_back(linear->low_rank()->a);
    tensors.push_back(linear->low_rank()->b);
  }
  return tensors;
}

}  // namespace drystill::language
