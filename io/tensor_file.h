#pragma once

#include <torch/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace drystill::io {

// The content of a model file, whatever its format: tensors on the CPU and short texts, each by name.
struct TensorFile {
  std::map<std::string, torch::Tensor> tensors;
  std::map<std::string, std::string> metadata;
};

// What a file says of one tensor; known without reading its data.
struct TensorInfo {
  std::string name;
  std::string dtype;  // in safetensors' words: "F32", "BF16", "I64"; GGML's where it is quantised: "Q4_1"
  std::vector<std::int64_t> shape;
  std::uint64_t bytes = 0;  // of the elements, packed, as stored
};

// What `inspect` shows.
struct FileDescription {
  std::string format;               // "safetensors", "PyTorch zip", "PyTorch legacy pickle", "GGUF v3 Q4_1"
  std::vector<TensorInfo> tensors;  // by name
  std::map<std::string, std::string> metadata;
  std::uint64_t file_bytes = 0;
  std::int64_t parameters = 0;  // elements of the tensors that are not batch-norm statistics or counters
};

}  // namespace drystill::io
