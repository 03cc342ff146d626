#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/fields.h"

namespace drystill::language {

// A published architecture: it fixes names, norms, biases and activation.
enum class Family { kLlama, kMistral, kQwen2, kQwen3, kGpt2 };

// As `model_type` of config.json spells them.
constexpr auto enum_names(Family) {
  return std::to_array<std::string_view>({"llama", "mistral", "qwen2", "qwen3", "gpt2"});
}

enum class NormKind { kRms, kLayer };
constexpr auto enum_names(NormKind) {
  return std::to_array<std::string_view>({"rms", "layer"});
}

enum class PositionKind { kRotary, kLearned };
constexpr auto enum_names(PositionKind) {
  return std::to_array<std::string_view>({"rotary", "learned"});
}

enum class RopeScaling { kNone, kLinear, kLlama3 };
constexpr auto enum_names(RopeScaling) {
  return std::to_array<std::string_view>({"none", "linear", "llama3"});
}

// Rotary positions (Su et al. 2021); `llama3` stretches low frequencies only (Llama 3.1 model card).
struct RopeOptions {
  double theta = 10'000;
  RopeScaling scaling = RopeScaling::kNone;
  double factor = 1;
  double low_frequency_factor = 1;
  double high_frequency_factor = 4;
  std::int64_t original_max_positions = 8192;

  template <class Field>
  void visit(Field&& field) {
    field("theta", theta, "base of the wavelengths", positive());
    field("scaling", scaling, "how positions beyond the trained range are squeezed");
    field("factor", factor, "how much longer the range is (linear, llama3)", positive());
    field("low_frequency_factor", low_frequency_factor, "llama3: longer waves are stretched in full", positive());
    field("high_frequency_factor", high_frequency_factor, "llama3: shorter waves are left alone", positive());
    field("original_max_positions", original_max_positions, "llama3: trained range", at_least(1));
  }
  bool operator==(const RopeOptions&) const = default;
};

// Everything that decides a decoder-only transformer's parameters and arithmetic.
struct TransformerOptions {
  Family family = Family::kLlama;
  std::int64_t vocab_size = 256;
  std::int64_t hidden_size = 64;
  std::int64_t layers = 2;
  std::int64_t heads = 4;
  std::int64_t kv_heads = 4;
  std::int64_t head_dim = 16;
  std::int64_t intermediate_size = 256;
  std::int64_t max_positions = 2048;
  NormKind norm = NormKind::kRms;
  double norm_epsilon = 1e-5;
  double initializer_range = 0.02;
  PositionKind position = PositionKind::kRotary;
  RopeOptions rope;
  bool qkv_bias = false;
  bool output_bias = false;  // of the attention's output projection
  bool mlp_bias = false;
  bool qk_norm = false;  // RMSNorm over each head of q and k, before the rotation
  bool tied = true;      // the head is the embedding
  std::optional<std::int64_t> bos_token;
  std::vector<std::int64_t> eos_tokens;
  std::optional<std::int64_t> pad_token;

  template <class Field>
  void visit(Field&& field) {
    field("family", family, "architecture; fixes parameter names, norm, activation and biases");
    field("vocab_size", vocab_size, "rows of the embedding", at_least(1));
    field("hidden_size", hidden_size, "width of the residual stream", at_least(1));
    field("layers", layers, "decoder layers", at_least(1));
    field("heads", heads, "query heads", at_least(1));
    field("kv_heads", kv_heads, "key and value heads; divides 'heads'", at_least(1));
    field("head_dim", head_dim, "width of one head", at_least(1));
    field("intermediate_size", intermediate_size, "width of the feed-forward layer", at_least(1));
    field("max_positions", max_positions, "longest context", at_least(1));
    field("norm", norm, "normalisation layer");
    field("norm_epsilon", norm_epsilon, "added to the variance", positive());
    field("initializer_range", initializer_range, "standard deviation of fresh weights", at_least(0));
    field("position", position, "how positions are told apart");
    field("rope", rope, "rotary positions");
    field("qkv_bias", qkv_bias, "biases of the q, k and v projections");
    field("output_bias", output_bias, "bias of the attention's output projection");
    field("mlp_bias", mlp_bias, "biases of the feed-forward layer");
    field("qk_norm", qk_norm, "RMSNorm over each head of q and k");
    field("tied", tied, "the output head is the embedding");
    field("bos_token", bos_token, "id that begins a text");
    field("eos_tokens", eos_tokens, "ids that end a text");
    field("pad_token", pad_token, "id that fills a batch");
  }
  // What does not fit together, or passes what a model file may ask for.
  std::vector<Problem> problems() const;
  bool operator==(const TransformerOptions&) const = default;
};

// The options that `family` fixes (norm, position, biases, qk_norm), the others at their defaults.
TransformerOptions defaults_of(Family family);

}  // namespace drystill::language
