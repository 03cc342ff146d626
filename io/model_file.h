#pragma once

#include <filesystem>

#include "io/tensor_file.h"
#include "io/torch_pickle.h"

namespace drystill::io {

// Reads a model file of any known format, or a Hugging Face folder. What it is, its first bytes say; its extension says
// nothing. Quantised tensors become float32; those of a folder may be views of its files (io/huggingface_folder.h).
// InputError where it is missing, damaged, or of a format not read (yet).
TensorFile read_model(const std::filesystem::path& path);

// What `read_model` would give, without reading tensor data.
FileDescription describe_model(const std::filesystem::path& path);

// Writes .safetensors, or .pth/.pt (`options` are for those). ConfigError for any other extension.
void write_model(const std::filesystem::path& path, const TensorFile& file, const TorchWriteOptions& options = {});

}  // namespace drystill::io
