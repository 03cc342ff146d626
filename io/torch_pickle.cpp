#include "io/torch_pickle.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "core/error.h"
#include "io/dtype.h"
#include "io/quote.h"
#include "io/torch_archive.h"

namespace drystill::io {
namespace {

// A tensor may repeat its storage (stride 0); a file of a few bytes may not stand for terabytes.
constexpr std::uint64_t kMostRepetition = 64;
constexpr std::uint64_t kAlwaysAllowed = 16 << 20;

// The state dict within a saved object, by name.
struct Selection {
  std::map<std::string, const PickleTensor*> tensors;
  std::map<std::string, std::string> metadata;
};

std::optional<std::string> scalar_text(const PickleValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return std::to_string(*integer);
  if (const auto* real = std::get_if<double>(&value)) {
    std::array<char, 32> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), *real).ptr;
    return std::string(digits.data(), end);
  }
  return std::nullopt;
}

class Selector {
 public:
  Selector(const PickleGraph& graph, const std::string& source) : graph_(graph), source_(source) {}

  Selection select() {
    const auto* top = graph_.get<PickleDict>(graph_.root);
    if (top == nullptr) fail("it holds no dict; in Python, save model.state_dict()");
    const PickleDict* state = find_state_dict(*top);
    take_tensors(*state);
    take_scalars(*state);
    if (state != top) take_scalars(*top);
    strip_module();
    return std::move(selection_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw InputError(quote(source_) + ": " + what); }

  bool has_tensors(const PickleDict& dict) const {
    return std::ranges::any_of(dict.items,
                               [&](const auto& item) { return graph_.get<PickleTensor>(item.second) != nullptr; });
  }

  const PickleDict* find_state_dict(const PickleDict& top) const {
    for (const char* wanted : {"state_dict", "model", "state", "net"}) {
      for (const auto& [key, value] : top.items) {
        const auto* name = graph_.get<std::string>(key);
        const auto* dict = graph_.get<PickleDict>(value);
        if (name && *name == wanted && dict && has_tensors(*dict)) return dict;
      }
    }
    if (has_tensors(top)) return &top;
    std::vector<std::string> names;
    for (const auto& [key, value] : top.items) {
      if (const auto* name = graph_.get<std::string>(key)) names.push_back(*name);
    }
    fail("it holds no state dict: expected tensors, or a dict of tensors under 'state_dict', 'model', 'state' or " +
         std::string("'net'; got ") + (names.empty() ? "no named entries" : first_names(names, 8)));
  }

  void take_tensors(const PickleDict& dict) {
    for (const auto& [key, value] : dict.items) {
      const auto* tensor = graph_.get<PickleTensor>(value);
      if (tensor == nullptr) continue;
      const auto* name = graph_.get<std::string>(key);
      if (name == nullptr) fail("a tensor of its state dict has no name");
      selection_.tensors[*name] = tensor;
    }
  }

  void take_scalars(const PickleDict& dict) {
    for (const auto& [key, value] : dict.items) {
      const auto* name = graph_.get<std::string>(key);
      if (name == nullptr) continue;
      if (auto text = scalar_text(graph_.values[value])) selection_.metadata.try_emplace(*name, std::move(*text));
    }
  }

  void strip_module() {
    constexpr std::string_view kPrefix = "module.";
    if (!std::ranges::all_of(selection_.tensors, [&](const auto& item) { return item.first.starts_with(kPrefix); })) {
      return;
    }
    std::map<std::string, const PickleTensor*> stripped;
    for (const auto& [name, tensor] : selection_.tensors) stripped[name.substr(kPrefix.size())] = tensor;
    selection_.tensors = std::move(stripped);
  }

  const PickleGraph& graph_;
  const std::string& source_;
  Selection selection_;
};

std::uint64_t bytes_of(const PickleTensor& tensor) {
  // The unpickler has checked that the count fits into 63 bits; times 16 it still may not.
  std::uint64_t bytes = 0;
  const bool overflow = __builtin_mul_overflow(*element_count(tensor.sizes), c10::elementSize(tensor.dtype), &bytes);
  return overflow ? UINT64_MAX : bytes;
}

Selection select_state_dict(const TorchArchive& archive, const MappedFile& file) {
  const std::string source = file.path().string();
  Selection selection = Selector(archive.graph(), source).select();
  const std::uint64_t limit = kMostRepetition * file.bytes().size() + kAlwaysAllowed;
  for (const auto& [name, tensor] : selection.tensors) {
    if (bytes_of(*tensor) > limit) {
      throw InputError(quote(source) + ": tensor " + quote(name) + " of shape " + shape_text(tensor->sizes) +
                       " is far larger than the file; in Python, save tensor.contiguous()");
    }
  }
  return selection;
}

std::string dtype_text(at::ScalarType type) {
  const Dtype* dtype = find_dtype(type);
  return dtype ? std::string(dtype->name) : type == at::kComplexDouble ? "C128" : torch::toString(type);
}

}  // namespace

TensorFile read_torch(const std::filesystem::path& path) {
  const MappedFile file(path);
  const TorchArchive archive(file);
  Selection selection = select_state_dict(archive, file);
  TensorFile result;
  result.metadata = std::move(selection.metadata);
  // Untyped storages may be viewed as several dtypes; those views get a copy each.
  std::map<std::pair<std::string, at::ScalarType>, torch::Tensor> storages;
  for (const auto& [name, tensor] : selection.tensors) {
    const auto& storage = *archive.graph().get<PickleStorage>(tensor->storage);
    torch::Tensor& memory = storages[{storage.key, tensor->dtype}];
    if (!memory.defined()) {
      auto bytes = archive.bytes(storage);
      const std::size_t width = c10::elementSize(tensor->dtype);
      bytes = bytes.first(bytes.size() - bytes.size() % width);
      memory = tensor_from_bytes(bytes, tensor->dtype, {static_cast<std::int64_t>(bytes.size() / width)});
    }
    result.tensors[name] = memory.as_strided(tensor->sizes, tensor->strides, tensor->offset);
  }
  return result;
}

FileDescription describe_torch(const std::filesystem::path& path) {
  const MappedFile file(path);
  const TorchArchive archive(file);
  Selection selection = select_state_dict(archive, file);
  FileDescription description;
  description.format = archive.format();
  description.file_bytes = file.bytes().size();
  description.metadata = std::move(selection.metadata);
  for (const auto& [name, tensor] : selection.tensors) {
    description.tensors.push_back({name, dtype_text(tensor->dtype), tensor->sizes, bytes_of(*tensor)});
  }
  return description;
}

}  // namespace drystill::io
