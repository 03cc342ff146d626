#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "io/tensor_file.h"

namespace drystill::io {

// Reads what Python's torch.save wrote (zip archive or legacy layout) without executing anything in it.
//
// The result is flat. Where the saved object is a dict with a state dict under "state_dict", "model", "state" or "net",
// that is taken, and the texts, numbers and flags beside it (epoch, arch, best_acc1) become metadata; anything else
// (an optimizer's state, say) is passed over. A "module." that begins every name, from DataParallel, is removed.
// Tensors keep their strides and share memory where they did in Python.
//
// Throws InputError for a damaged or hostile file, a refused Python object (named), or an object without tensors.
TensorFile read_torch(const std::filesystem::path& path);

// The same without reading tensor data.
FileDescription describe_torch(const std::filesystem::path& path);

struct TorchWriteOptions {
  // false: the tensors alone, an OrderedDict that load_state_dict takes; metadata is left out.
  // true: {"state_dict": the tensors, and each metadata text beside it}.
  bool wrap = false;
};

// Writes a zip archive that torch.load(path, weights_only=True) reads. Each tensor gets memory of its own. Equal
// content gives equal bytes. Atomic: see AtomicFile. Throws InputError beyond 4 GiB (no zip64).
void write_torch(const std::filesystem::path& path, const TensorFile& content, const TorchWriteOptions& options = {});

}  // namespace drystill::io
