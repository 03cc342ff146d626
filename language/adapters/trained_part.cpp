#include "language/adapters/trained_part.h"

#include "core/error.h"

namespace drystill::language {
namespace {

constexpr char kAdapterFile[] = "adapter_config.json";
constexpr char kPrefixFile[] = "kv_prefix.safetensors";

}  // namespace

void TrainedPart::save_prefix(const std::filesystem::path& folder, const KvPrefix& prefix) {
  std::filesystem::create_directories(folder);
  prefix.save(folder / kPrefixFile);
}

bool TrainedPart::is_in(const std::filesystem::path& folder) {
  return std::filesystem::exists(folder / kAdapterFile) || std::filesystem::exists(folder / kPrefixFile);
}

TrainedPart TrainedPart::load(const std::filesystem::path& folder, const std::shared_ptr<CausalLm>& model) {
  if (!is_in(folder)) {
    throw InputError(folder.string() + ": has neither " + kAdapterFile + " nor " + kPrefixFile);
  }
  if (std::filesystem::exists(folder / kAdapterFile)) return {LoraAdapter::load(folder, model), nullptr};
  return {nullptr, KvPrefix::load(folder / kPrefixFile, model->options())};
}

}  // namespace drystill::language
