#pragma once

#include <filesystem>
#include <memory>

#include "language/adapters/kv_prefix.h"
#include "language/adapters/lora.h"
#include "language/models/causal_lm.h"

namespace drystill::language {

// What training added to a model instead of changing it: one of the two.
struct TrainedPart {
  std::shared_ptr<LoraAdapter> adapter;
  std::shared_ptr<KvPrefix> prefix;

  // A prefix: kv_prefix.safetensors in `folder`. An adapter saves itself (LoraAdapter::save).
  static void save_prefix(const std::filesystem::path& folder, const KvPrefix& prefix);
  // Whether `folder` has an adapter in PEFT's form or a prefix.
  static bool is_in(const std::filesystem::path& folder);
  // Reads it over `model`, which an adapter then acts on. InputError where there is none or where it does not fit.
  static TrainedPart load(const std::filesystem::path& folder, const std::shared_ptr<CausalLm>& model);
};

}  // namespace drystill::language
