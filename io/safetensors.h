#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "io/tensor_file.h"

// safetensors: 8 bytes of header length, a JSON header, the tensors' bytes (little-endian, row-major).
// Format and checks: huggingface/safetensors, README and safetensors/src/tensor.rs.

namespace drystill::io {

// Tensors own their memory. A file that breaks any rule of the format throws InputError before data is read.
TensorFile read_safetensors(const std::filesystem::path& path);

// Reads the header only, however large the file.
FileDescription describe_safetensors(const std::filesystem::path& path);

// Writes what the reference implementation writes, byte for byte: wide dtypes first, then by name. Metadata, which that
// one writes in random order, is sorted, and "format" is "pt" unless given: Python loaders ask for it. Tensors of any
// device and stride are accepted. Atomic: see AtomicFile. Throws InputError for a dtype the format lacks.
void write_safetensors(const std::filesystem::path& path, const std::map<std::string, torch::Tensor>& tensors,
                       std::map<std::string, std::string> metadata = {});

}  // namespace drystill::io
