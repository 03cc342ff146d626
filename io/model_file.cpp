#include "io/model_file.h"

#include <algorithm>
#include <string_view>
#include <system_error>

#include "core/error.h"
#include "io/gguf.h"
#include "io/huggingface_folder.h"
#include "io/mapped_file.h"
#include "io/quote.h"
#include "io/safetensors.h"
#include "io/torch_archive.h"

namespace drystill::io {
namespace {

enum class Format { kSafetensors, kTorch, kGguf, kHuggingFaceFolder };

constexpr char kKnown[] = "expected .safetensors, .gguf, .pth/.pt of torch.save, or a Hugging Face folder";

Format detect(const std::filesystem::path& path) {
  const std::string name = quote(path.string());
  std::error_code unknown;  // whatever it is, opening it below says so
  if (std::filesystem::is_directory(path, unknown)) return Format::kHuggingFaceFolder;
  const MappedFile file(path);
  const auto bytes = file.bytes();
  const std::string_view start(reinterpret_cast<const char*>(bytes.data()), std::min<std::size_t>(bytes.size(), 300));
  if (bytes.empty()) throw InputError(name + " is empty; " + kKnown);
  if (TorchArchive::is_zip(bytes) || TorchArchive::is_legacy(bytes)) return Format::kTorch;
  if (start.starts_with("GGUF")) return Format::kGguf;
  if (start.size() > 262 && start.substr(257, 5) == "ustar") {
    throw InputError(name + " is a tar file of a PyTorch before 0.2; load and save it again in Python");
  }
  // Before the pickles: the length of a header, which comes first, may well begin with a pickle's first byte.
  if (start.size() > 8 && start[8] == '{') return Format::kSafetensors;
  if (start.starts_with('\x80')) {
    throw InputError(name + " is a pickle that torch.save did not write; in Python, save model.state_dict() with it");
  }
  if (start.starts_with("version https://git-lfs")) {
    throw InputError(name + " is a Git LFS pointer, not the file itself; run `git lfs pull`");
  }
  throw InputError(name + " is of an unknown format or damaged at its beginning; " + kKnown);
}

// Running statistics and counters of normalisation layers are not learned.
bool is_parameter(const TensorInfo& tensor) {
  return std::ranges::none_of(
      std::initializer_list<std::string_view>{"running_mean", "running_var", "num_batches_tracked"},
      [&](std::string_view end) { return tensor.name.ends_with(end); });
}

FileDescription describe(const std::filesystem::path& path) {
  switch (detect(path)) {
    case Format::kSafetensors:
      return describe_safetensors(path);
    case Format::kGguf:
      return describe_gguf(path);
    case Format::kHuggingFaceFolder:
      return describe_huggingface_folder(path);
    default:
      return describe_torch(path);
  }
}

}  // namespace

TensorFile read_model(const std::filesystem::path& path) {
  switch (detect(path)) {
    case Format::kSafetensors:
      return read_safetensors(path);
    case Format::kGguf:
      return read_gguf(path);
    case Format::kHuggingFaceFolder:
      return read_huggingface_folder(path);
    default:
      return read_torch(path);
  }
}

FileDescription describe_model(const std::filesystem::path& path) {
  FileDescription description = describe(path);
  for (const TensorInfo& tensor : description.tensors) {
    std::int64_t elements = 1;
    for (const auto size : tensor.shape) elements *= size;  // checked by the readers
    if (is_parameter(tensor)) description.parameters += elements;
  }
  return description;
}

void write_model(const std::filesystem::path& path, const TensorFile& file, const TorchWriteOptions& options) {
  const std::string extension = path.extension().string();
  if (extension == ".safetensors") return write_safetensors(path, file.tensors, file.metadata);
  if (extension == ".pth" || extension == ".pt") return write_torch(path, file, options);
  throw ConfigError("cannot tell the format of " + quote(path.string()) +
                    " from its name; expected .safetensors, .pth or .pt");
}

}  // namespace drystill::io
