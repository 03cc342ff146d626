#include "io/safetensors.h"

#include <algorithm>

#include "core/error.h"
#include "io/atomic_file.h"
#include "io/dtype.h"
#include "io/mapped_file.h"
#include "io/quote.h"
#include "io/safetensors_header.h"

namespace drystill::io {

TensorFile read_safetensors(const std::filesystem::path& path) {
  const MappedFile file(path);
  SafetensorsHeader header = parse_safetensors_header(file.bytes(), path.string());
  for (const auto& entry : header.entries) {
    if (!find_dtype(entry.info.dtype)->torch) {
      throw InputError(quote(path.string()) + ": tensor " + quote(entry.info.name) + " is " + entry.info.dtype +
                       ", which LibTorch cannot hold; convert it to a wider type first");
    }
  }
  TensorFile result;
  result.metadata = std::move(header.metadata);
  const auto data = file.bytes().subspan(header.data_start);
  for (const auto& entry : header.entries) {
    result.tensors[entry.info.name] = tensor_from_bytes(data.subspan(entry.begin, entry.info.bytes),
                                                        *find_dtype(entry.info.dtype)->torch, entry.info.shape);
  }
  return result;
}

FileDescription describe_safetensors(const std::filesystem::path& path) {
  const MappedFile file(path);
  SafetensorsHeader header = parse_safetensors_header(file.bytes(), path.string());
  FileDescription description;
  description.format = "safetensors";
  description.file_bytes = file.bytes().size();
  description.metadata = std::move(header.metadata);
  for (auto& entry : header.entries) description.tensors.push_back(std::move(entry.info));
  std::ranges::sort(description.tensors, {}, &TensorInfo::name);
  return description;
}

void write_safetensors(const std::filesystem::path& path, const std::map<std::string, torch::Tensor>& tensors,
                       std::map<std::string, std::string> metadata) {
  struct Item {
    const std::string* name;
    const torch::Tensor* tensor;
    const Dtype* dtype;
  };
  std::vector<Item> items;
  for (const auto& [name, tensor] : tensors) {
    const Dtype* dtype = find_dtype(tensor.scalar_type());
    if (dtype == nullptr) {
      throw InputError("tensor " + quote(name) + " is " + std::string(torch::toString(tensor.scalar_type())) +
                       ", which safetensors has no name for; convert it first");
    }
    items.push_back({&name, &tensor, dtype});
  }
  std::ranges::stable_sort(items, std::ranges::greater{}, &Item::dtype);  // all point into one table

  SafetensorsHeader header;
  header.metadata = std::move(metadata);
  header.metadata.try_emplace("format", "pt");
  std::uint64_t position = 0;
  for (const Item& item : items) {
    const auto bytes = static_cast<std::uint64_t>(item.tensor->numel()) * item.tensor->element_size();
    header.entries.push_back({.info = {*item.name, std::string(item.dtype->name), item.tensor->sizes().vec(), bytes},
                              .begin = position,
                              .end = position + bytes});
    position += bytes;
  }
  AtomicFile file(path);
  file.write(format_safetensors_header(header));
  for (const Item& item : items) {  // one tensor at a time: a strided or CUDA tensor needs a copy
    file.write(bytes_of(item.tensor->detach().to(torch::kCPU).resolve_conj().resolve_neg().contiguous()));
  }
  file.commit();
}

}  // namespace drystill::io
