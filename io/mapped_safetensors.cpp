#include "io/mapped_safetensors.h"

#include <utility>

#include "core/error.h"
#include "io/dtype.h"
#include "io/mapped_tensor.h"
#include "io/quote.h"
#include "io/safetensors_header.h"

namespace drystill::io {

MappedSafetensors::MappedSafetensors(const std::filesystem::path& path)
    : source_(path.string()), file_(std::make_shared<MappedFile>(path, MappedFile::Access::kCopyOnWrite)) {
  SafetensorsHeader header = parse_safetensors_header(file_->bytes(), source_);
  metadata_ = std::move(header.metadata);
  for (auto& entry : header.entries) {
    std::string name = entry.info.name;
    places_.emplace(std::move(name), Place{std::move(entry.info), header.data_start + entry.begin});
  }
}

torch::Tensor MappedSafetensors::view(const Place& place) const {
  const auto type = find_dtype(place.info.dtype)->torch;
  if (!type) {
    throw InputError(quote(source_) + ": tensor " + quote(place.info.name) + " is " + place.info.dtype +
                     ", which LibTorch cannot hold; convert it to a wider type first");
  }
  return mapped_tensor(file_, place.begin, place.info.bytes, *type, place.info.shape);
}

torch::Tensor MappedSafetensors::tensor(const std::string& name) const {
  const auto found = places_.find(name);
  if (found == places_.end()) throw InputError(quote(source_) + " has no tensor " + quote(name));
  return view(found->second);
}

std::map<std::string, torch::Tensor> MappedSafetensors::tensors() const {
  std::map<std::string, torch::Tensor> result;
  for (const auto& [name, place] : places_) result.emplace(name, view(place));
  return result;
}

}  // namespace drystill::io
