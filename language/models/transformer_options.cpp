#include "language/models/transformer_options.h"

#include <cmath>

namespace drystill::language {
namespace {

// Beyond any published model by an order of magnitude: a damaged file must not ask for terabytes.
constexpr std::int64_t kMaxWidth = 1 << 18;
constexpr std::int64_t kMaxVocabulary = 1 << 22;
constexpr std::int64_t kMaxLayers = 1024;
constexpr std::int64_t kMaxPositions = std::int64_t{1} << 32;

}  // namespace

std::vector<Problem> TransformerOptions::problems() const {
  std::vector<Problem> found;
  const auto within = [&](const char* name, std::int64_t value, std::int64_t maximum) {
    if (value < 1 || value > maximum) {
      found.push_back({name, "is " + std::to_string(value) + ", expected 1 to " + std::to_string(maximum)});
    }
  };
  within("vocab_size", vocab_size, kMaxVocabulary);
  within("hidden_size", hidden_size, kMaxWidth);
  within("layers", layers, kMaxLayers);
  within("heads", heads, kMaxWidth);
  within("kv_heads", kv_heads, kMaxWidth);
  within("head_dim", head_dim, kMaxWidth);
  within("intermediate_size", intermediate_size, kMaxWidth * 4);
  within("max_positions", max_positions, kMaxPositions);
  if (!found.empty()) return found;
  if (heads % kv_heads != 0) {
    found.push_back({"kv_heads", "is " + std::to_string(kv_heads) + ", which does not divide the " +
                                     std::to_string(heads) + " heads"});
  }
  if (heads * head_dim > kMaxWidth) found.push_back({"head_dim", "times 'heads' passes " + std::to_string(kMaxWidth)});
  if (position == PositionKind::kRotary && head_dim % 2 != 0) {
    found.push_back({"head_dim", "is " + std::to_string(head_dim) + ", rotary positions need an even width"});
  }
  const auto positive_number = [&](const char* name, double value) {
    if (!(value > 0) || !std::isfinite(value)) found.push_back({name, "must be a positive number"});
  };
  positive_number("norm_epsilon", norm_epsilon);
  if (!(initializer_range >= 0) || !std::isfinite(initializer_range)) {
    found.push_back({"initializer_range", "must be a number of 0 or more"});
  }
  positive_number("rope.theta", rope.theta);
  positive_number("rope.factor", rope.factor);
  positive_number("rope.low_frequency_factor", rope.low_frequency_factor);
  if (rope.original_max_positions < 1) found.push_back({"rope.original_max_positions", "must be 1 or more"});
  if (!(rope.high_frequency_factor > rope.low_frequency_factor)) {
    found.push_back({"rope.high_frequency_factor", "must be above 'low_frequency_factor'"});
  }
  if (family == Family::kGpt2) {
    if (kv_heads != heads || heads * head_dim != hidden_size) {
      found.push_back({"head_dim", "gpt2 needs heads * head_dim = hidden_size and as many kv_heads as heads"});
    }
    if (norm != NormKind::kLayer || position != PositionKind::kLearned || !qkv_bias || !output_bias || !mlp_bias ||
        qk_norm) {
      found.push_back({"family", "gpt2 has layer norms, learned positions and biases everywhere"});
    }
    if (max_positions > (1 << 22)) found.push_back({"max_positions", "passes 4194304 learned positions"});
  } else if (norm != NormKind::kRms || position != PositionKind::kRotary) {
    found.push_back({"family", "only gpt2 has layer norms and learned positions"});
  }
  const auto is_token = [&](std::int64_t id) { return id >= 0 && id < kMaxVocabulary; };
  for (const auto id : eos_tokens) {
    if (!is_token(id)) found.push_back({"eos_tokens", "holds " + std::to_string(id) + ", which is no token id"});
  }
  return found;
}

TransformerOptions defaults_of(Family family) {
  TransformerOptions options;
  options.family = family;
  switch (family) {
    case Family::kLlama:
      break;
    case Family::kMistral:
      options.tied = false;
      break;
    case Family::kQwen2:
      options.qkv_bias = true;
      options.norm_epsilon = 1e-6;
      break;
    case Family::kQwen3:
      options.qk_norm = true;
      options.norm_epsilon = 1e-6;
      break;
    case Family::kGpt2:
      options.norm = NormKind::kLayer;
      options.position = PositionKind::kLearned;
      options.qkv_bias = options.output_bias = options.mlp_bias = true;
      break;
  }
  return options;
}

}  // namespace drystill::language
