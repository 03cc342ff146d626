#include "language/sampling/packed_decoder.h"

#include <ATen/Parallel.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>
#include <c10/util/StringUtil.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "kernels/decoder_rows.h"

namespace drystill::language {
namespace {

constexpr std::int64_t kRowsPerThread = 8;  // below this a second thread costs more than it saves

// Reads the model's parameters by their published names.
class Source {
 public:
  Source(const CausalLm& model, torch::ScalarType dtype)
      : linears_(model.linears()), parameters_(model.named_parameters()), dtype_(dtype) {}

  torch::Tensor tensor(const std::string& name) const {
    const torch::Tensor* found = parameters_.find(name);
    return found ? found->detach().to(torch::kFloat32).contiguous().clone() : torch::Tensor();
  }

  NormWeights norm(const std::string& name) const { return {tensor(name + ".weight"), tensor(name + ".bias")}; }

  // Linears of one input, outputs side by side; low-rank branches are added to their weights.
  kernels::PackedLinear linears(const std::vector<std::string>& names) const {
    std::vector<torch::Tensor> weights, biases;
    for (const std::string& name : names) {
      const std::shared_ptr<Linear>* found = linears_.find(name);
      if (found == nullptr) {
        throw InputError(c10::str("[language.inference_engine] the model has no linear layer ", name));
      }
      const Linear& linear = **found;
      weights.push_back(merged_weight(linear));
      if (linear.bias().defined()) biases.push_back(linear.bias().detach().to(torch::kFloat32));
    }
    if (!biases.empty() && biases.size() != names.size()) {
      throw InputError(c10::str("[language.inference_engine] expected biases for all or none of ", names));
    }
    return kernels::PackedLinear(at::cat(weights).to(dtype_), biases.empty() ? torch::Tensor() : at::cat(biases));
  }

 private:
  static torch::Tensor merged_weight(const Linear& linear) {
    torch::Tensor weight = linear.weight().detach().to(torch::kFloat32);
    if (!linear.low_rank()) return weight;
    const LowRank& branch = *linear.low_rank();
    return at::addmm(weight, branch.b.detach().to(torch::kFloat32), branch.a.detach().to(torch::kFloat32), 1,
                     branch.scale);
  }

  torch::OrderedDict<std::string, std::shared_ptr<Linear>> linears_;
  torch::OrderedDict<std::string, torch::Tensor> parameters_;
  torch::ScalarType dtype_;
};

PackedLayer llama_layer(const Source& source, std::int64_t index) {
  const std::string at = "model.layers." + std::to_string(index) + ".";
  return {
      .attention_norm = source.norm(at + "input_layernorm"),
      .query_key_value = source.linears({at + "self_attn.q_proj", at + "self_attn.k_proj", at + "self_attn.v_proj"}),
      .query_norm = source.tensor(at + "self_attn.q_norm.weight"),
      .key_norm = source.tensor(at + "self_attn.k_norm.weight"),
      .attention_output = source.linears({at + "self_attn.o_proj"}),
      .feed_forward_norm = source.norm(at + "post_attention_layernorm"),
      .up = source.linears({at + "mlp.gate_proj", at + "mlp.up_proj"}),
      .down = source.linears({at + "mlp.down_proj"})};
}

PackedLayer gpt2_layer(const Source& source, std::int64_t index) {
  const std::string at = "transformer.h." + std::to_string(index) + ".";
  return {.attention_norm = source.norm(at + "ln_1"),
          .query_key_value = source.linears({at + "attn.c_attn"}),
          .query_norm = {},
          .key_norm = {},
          .attention_output = source.linears({at + "attn.c_proj"}),
          .feed_forward_norm = source.norm(at + "ln_2"),
          .up = source.linears({at + "mlp.c_fc"}),
          .down = source.linears({at + "mlp.c_proj"})};
}

torch::Tensor rows_of(std::int64_t rows, std::int64_t width) {
  return at::empty({rows, width}, torch::kFloat32);
}

void copy_row(const torch::Tensor& table, std::int64_t row, std::int64_t width, float* to) {
  if (table.scalar_type() == torch::kBFloat16) {
    const auto* from = table.const_data_ptr<c10::BFloat16>() + row * width;
    for (std::int64_t i = 0; i < width; ++i) to[i] = static_cast<float>(from[i]);
  } else {
    std::copy_n(table.const_data_ptr<float>() + row * width, width, to);
  }
}

}  // namespace

PackedDecoder::PackedDecoder(const CausalLm& model, torch::ScalarType dtype)
    : options_(model.options()),
      layout_{.layers = options_.layers, .kv_heads = options_.kv_heads, .head_dim = options_.head_dim, .type = dtype},
      head_(model.output_weight().detach().to(dtype)) {
  const c10::NoGradGuard no_gradient;
  const Source source(model, dtype);
  embedding_ = model.input_weight().detach().to(dtype).contiguous().clone();
  const bool gpt2 = options_.family == Family::kGpt2;
  for (std::int64_t i = 0; i < options_.layers; ++i) {
    layers_.push_back(gpt2 ? gpt2_layer(source, i) : llama_layer(source, i));
  }
  norm_ = source.norm(gpt2 ? "transformer.ln_f" : "model.norm");
  if (options_.position == PositionKind::kLearned) {
    position_embedding_ = source.tensor("transformer.wpe.weight");
  } else {
    frequencies_ = rotary_frequencies(options_.rope, options_.head_dim);
  }
}

std::int64_t PackedDecoder::weight_bytes() const {
  std::int64_t bytes = head_.bytes();
  for (const PackedLayer& layer : layers_) {
    bytes += layer.query_key_value.bytes() + layer.attention_output.bytes() + layer.up.bytes() + layer.down.bytes();
  }
  return bytes;
}

std::int64_t PackedDecoder::products_per_token() const {
  const auto products = [](const kernels::PackedLinear& linear) {
    return linear.in_features() * linear.out_features();
  };
  std::int64_t total = products(head_);
  for (const PackedLayer& layer : layers_) {
    total +=
        products(layer.query_key_value) + products(layer.attention_output) + products(layer.up) + products(layer.down);
  }
  return total;
}

void PackedDecoder::normalise(const NormWeights& norm, const float* x, std::int64_t rows, float* y) const {
  const auto* weight = norm.weight.const_data_ptr<float>();
  if (options_.norm == NormKind::kRms) {
    kernels::rms_norm_rows(x, weight, rows, options_.hidden_size, options_.norm_epsilon, y);
  } else {
    kernels::layer_norm_rows(x, weight, norm.bias.const_data_ptr<float>(), rows, options_.hidden_size,
                             options_.norm_epsilon, y);
  }
}

void PackedDecoder::embed(std::span<const TokenRow> rows, float* x) const {
  const std::int64_t width = options_.hidden_size;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    float* to = x + static_cast<std::int64_t>(i) * width;
    copy_row(embedding_, rows[i].id, width, to);
    if (!position_embedding_.defined()) continue;
    const float* position = position_embedding_.const_data_ptr<float>() + rows[i].position * width;
    for (std::int64_t j = 0; j < width; ++j) to[j] += position[j];
  }
}

void PackedDecoder::attend(std::int64_t layer, std::span<const TokenRow> rows, const Rotation& rotation,
                           float* query_key_value, float* attended) const {
  const std::int64_t head_dim = options_.head_dim, heads = options_.heads, kv_heads = options_.kv_heads;
  const std::int64_t stride = (heads + 2 * kv_heads) * head_dim;
  const PackedLayer& weights = layers_[layer];
  const auto count = static_cast<std::int64_t>(rows.size());
  std::vector<kernels::AttentionRow> tasks(rows.size());
  at::parallel_for(0, count, kRowsPerThread, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      float *query = query_key_value + i * stride, *key = query + heads * head_dim, *value = key + kv_heads * head_dim;
      if (weights.query_norm.defined()) {
        const double epsilon = options_.norm_epsilon;
        kernels::rms_norm_rows(query, weights.query_norm.const_data_ptr<float>(), heads, head_dim, epsilon, query);
        kernels::rms_norm_rows(key, weights.key_norm.const_data_ptr<float>(), kv_heads, head_dim, epsilon, key);
      }
      if (rotation.cosine.defined()) {
        const std::int64_t half = head_dim / 2;
        const float* cosine = rotation.cosine.const_data_ptr<float>() + i * half;
        const float* sine = rotation.sine.const_data_ptr<float>() + i * half;
        kernels::rotate_heads(query, heads + kv_heads, half, cosine, sine);  // keys stand behind queries
      }
      const std::int64_t position = rows[i].position;
      kernels::store_token(layout_, rows[i].pages[position / kernels::PageLayout::kPositions], layer,
                           position % kernels::PageLayout::kPositions, key, value);
      tasks[i] = {
          .queries = query, .output = attended + i * heads * head_dim, .pages = rows[i].pages, .length = position + 1};
    }
  });
  kernels::paged_attention(layout_, layer, heads, 1 / std::sqrt(static_cast<double>(head_dim)), tasks);
}

torch::Tensor PackedDecoder::states(std::span<const TokenRow> rows) const {
  const c10::NoGradGuard no_gradient;
  const auto count = static_cast<std::int64_t>(rows.size());
  const std::int64_t hidden = options_.hidden_size, inner = options_.intermediate_size;
  const bool gated = options_.family != Family::kGpt2;
  torch::Tensor result = rows_of(count, hidden);
  auto* x = result.mutable_data_ptr<float>();
  embed(rows, x);
  Rotation rotation;
  if (frequencies_.defined()) {
    torch::Tensor positions = at::empty({count}, torch::kInt64);
    for (std::int64_t i = 0; i < count; ++i) positions.mutable_data_ptr<std::int64_t>()[i] = rows[i].position;
    rotation = rotation_of(positions, frequencies_);
    rotation = {rotation.cosine.contiguous(), rotation.sine.contiguous()};
  }
  const std::int64_t attention_width = options_.heads * options_.head_dim;
  const torch::Tensor buffers[] = {
      rows_of(count, hidden), rows_of(count, attention_width + 2 * options_.kv_heads * options_.head_dim),
      rows_of(count, attention_width), rows_of(count, gated ? 2 * inner : inner), rows_of(count, inner)};
  float* pointers[std::size(buffers)];
  for (std::size_t i = 0; i < std::size(buffers); ++i) pointers[i] = buffers[i].mutable_data_ptr<float>();
  const auto [normed, query_key_value, attended, up, activated] = pointers;

  for (std::int64_t i = 0; i < options_.layers; ++i) {
    const PackedLayer& layer = layers_[i];
    normalise(layer.attention_norm, x, count, normed);
    layer.query_key_value.forward_rows(normed, count, query_key_value);
    attend(i, rows, rotation, query_key_value, attended);
    layer.attention_output.forward_rows(attended, count, x, true);

    normalise(layer.feed_forward_norm, x, count, normed);
    layer.up.forward_rows(normed, count, up);
    if (gated) {
      kernels::gated_silu_rows(up, count, inner, activated);
    } else {
      kernels::gelu_tanh_rows(up, count, inner, activated);
    }
    layer.down.forward_rows(activated, count, x, true);
  }
  return result;
}

torch::Tensor PackedDecoder::normalised(const torch::Tensor& states) const {
  const torch::Tensor x = states.contiguous();
  torch::Tensor result = rows_of(x.size(0), options_.hidden_size);
  normalise(norm_, x.const_data_ptr<float>(), x.size(0), result.mutable_data_ptr<float>());
  return result;
}

torch::Tensor PackedDecoder::logits(const torch::Tensor& normalised) const {
  const c10::NoGradGuard no_gradient;
  torch::Tensor result = rows_of(normalised.size(0), options_.vocab_size);
  head_.forward_rows(normalised.const_data_ptr<float>(), normalised.size(0), result.mutable_data_ptr<float>());
  return result;
}

}  // namespace drystill::language
