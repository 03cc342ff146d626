#include "language/adapters/kv_prefix.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/stack.h>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "io/quote.h"
#include "io/safetensors.h"

namespace drystill::language {
namespace {

constexpr const char* kFrozenKey = "drystill.kv_prefix.frozen";
constexpr const char* kRopeKey = "drystill.kv_prefix.rope";

std::string rope_text(const RopeOptions& rope) {
  nlohmann::ordered_json json = {{"theta", rope.theta}, {"scaling", enum_name(rope.scaling)}};
  if (rope.scaling != RopeScaling::kNone) json["factor"] = rope.factor;
  if (rope.scaling == RopeScaling::kLlama3) {
    json["low_frequency_factor"] = rope.low_frequency_factor;
    json["high_frequency_factor"] = rope.high_frequency_factor;
    json["original_max_positions"] = rope.original_max_positions;
  }
  return json.dump();
}

std::string layer_name(std::int64_t layer, const char* what) {
  return "layers." + std::to_string(layer) + "." + what;
}

std::int64_t frozen_of(const std::map<std::string, std::string>& metadata, const std::string& source) {
  const auto found = metadata.find(kFrozenKey);
  const auto json = found == metadata.end() ? nlohmann::json() : nlohmann::json::parse(found->second, nullptr, false);
  if (!json.is_number_unsigned()) throw InputError(source + ": metadata " + kFrozenKey + " is missing or no count");
  return json.get<std::int64_t>();
}

}  // namespace

KvPrefix::KvPrefix(const torch::Tensor& keys, const torch::Tensor& values, std::int64_t frozen, const RopeOptions& rope)
    : frozen_count_(frozen), rope_(rope) {
  if (keys.dim() != 4 || keys.sizes() != values.sizes() || frozen < 0 || frozen > keys.size(2)) {
    throw InputError(
        "[language.KvPrefix] expected keys and values [layers, kv_heads, p, head_dim] and 0 to p frozen, got " +
        io::shape_text(keys.sizes()) + ", " + io::shape_text(values.sizes()) + " and " + std::to_string(frozen));
  }
  const auto trained = keys.size(2) - frozen;
  const auto part = [](const torch::Tensor& tensor, std::int64_t begin, std::int64_t count) {
    return tensor.narrow(2, begin, count).detach().to(torch::kFloat32).clone(at::MemoryFormat::Contiguous);
  };
  frozen_keys_ = register_buffer("frozen_keys", part(keys, 0, frozen));
  frozen_values_ = register_buffer("frozen_values", part(values, 0, frozen));
  keys_ = register_parameter("keys", part(keys, frozen, trained));
  values_ = register_parameter("values", part(values, frozen, trained));
}

std::shared_ptr<KvPrefix> KvPrefix::from_text(const CausalLm& model, const torch::Tensor& ids, std::int64_t frozen) {
  if (ids.dim() != 1 || ids.numel() == 0) {
    throw InputError("[language.KvPrefix] expected token ids [p], got " + io::shape_text(ids.sizes()));
  }
  const torch::NoGradGuard no_grad;
  KvCache cache(model.options(), 1, ids.numel(), model.compute_dtype(), ids.device());
  model.hidden({.ids = ids.unsqueeze(0), .mask = {}, .positions = {}},
               {.cache = &cache, .prefix = nullptr, .layer_states = nullptr});
  std::vector<torch::Tensor> keys, values;
  for (std::int64_t i = 0; i < cache.layers(); ++i) {
    const auto view = cache.view(i);
    keys.push_back(view.key.squeeze(0));
    values.push_back(view.value.squeeze(0));
  }
  return std::make_shared<KvPrefix>(at::stack(keys), at::stack(values), frozen, model.options().rope);
}

torch::Tensor KvPrefix::all(const torch::Tensor& frozen, const torch::Tensor& trained) const {
  return frozen_count_ == 0 ? trained : at::cat({frozen, trained}, 2);
}

PrefixKeyValues KvPrefix::key_values() const {
  PrefixKeyValues result;
  const auto keys = all(frozen_keys_, keys_), values = all(frozen_values_, values_);
  for (std::int64_t i = 0; i < keys.size(0); ++i) {
    result.keys.push_back(keys.narrow(0, i, 1));
    result.values.push_back(values.narrow(0, i, 1));
  }
  return result;
}

void KvPrefix::fill(KvCache& cache) const {
  if (cache.length() != 0) throw InputError("[language.KvPrefix] a prefix goes into an empty cache only");
  const torch::NoGradGuard no_grad;
  const auto pairs = key_values();
  for (std::int64_t i = 0; i < cache.layers(); ++i) {
    const auto rows = [&](const torch::Tensor& tensor) { return tensor.expand({cache.rows(), -1, -1, -1}); };
    cache.append(i, rows(pairs.keys.at(static_cast<std::size_t>(i))),
                 rows(pairs.values.at(static_cast<std::size_t>(i))));
  }
  cache.advance(length());
}

std::int64_t KvPrefix::length() const {
  return frozen_count_ + keys_.size(2);
}

void KvPrefix::save(const std::filesystem::path& path) const {
  std::map<std::string, torch::Tensor> tensors;
  const auto keys = all(frozen_keys_, keys_).detach(), values = all(frozen_values_, values_).detach();
  for (std::int64_t i = 0; i < keys.size(0); ++i) {
    tensors[layer_name(i, "key")] = keys[i];
    tensors[layer_name(i, "value")] = values[i];
  }
  io::write_safetensors(path, tensors, {{kFrozenKey, std::to_string(frozen_count_)}, {kRopeKey, rope_text(rope_)}});
}

std::shared_ptr<KvPrefix> KvPrefix::load(const std::filesystem::path& path, const TransformerOptions& model) {
  const auto source = io::quote(path.string());
  const auto file = io::read_safetensors(path);
  const auto frozen = frozen_of(file.metadata, source);
  const auto rope = file.metadata.find(kRopeKey);
  if (rope == file.metadata.end() || rope->second != rope_text(model.rope)) {
    throw InputError(source + ": its keys were rotated by " +
                     (rope == file.metadata.end() ? "nobody knows what" : io::quote(rope->second)) +
                     ", the model rotates by " + rope_text(model.rope));
  }
  if (static_cast<std::int64_t>(file.tensors.size()) != 2 * model.layers) {
    throw InputError(source + ": holds " + std::to_string(file.tensors.size()) +
                     " tensors, expected a key and a value for each of " + std::to_string(model.layers) + " layers");
  }
  std::vector<torch::Tensor> keys, values;
  const auto collect = [&](std::vector<torch::Tensor>& into, const std::string& name) {
    const auto found = file.tensors.find(name);
    const auto fits = [&](const torch::Tensor& tensor) {
      return tensor.dim() == 3 && tensor.size(0) == model.kv_heads && tensor.size(2) == model.head_dim &&
             tensor.is_floating_point() && (keys.empty() || tensor.size(1) == keys.front().size(1));
    };
    if (found == file.tensors.end() || !fits(found->second)) {
      throw InputError(source + ": " + io::quote(name) + " is missing or not [" + std::to_string(model.kv_heads) +
                       ", p, " + std::to_string(model.head_dim) + "]; was it made for another model?");
    }
    into.push_back(found->second);
  };
  for (std::int64_t i = 0; i < model.layers; ++i) {
    collect(keys, layer_name(i, "key"));
    collect(values, layer_name(i, "value"));
  }
  if (frozen > keys.front().size(1)) {
    throw InputError(source + ": says that " + std::to_string(frozen) + " of its " +
                     std::to_string(keys.front().size(1)) + " entries are frozen");
  }
  return std::make_shared<KvPrefix>(at::stack(keys), at::stack(values), frozen, model.rope);
}

}  // namespace drystill::language
