#pragma once

#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <string_view>

namespace drystill::io {

// How GGML stores the elements of a tensor: in blocks of `block_elements` along the last dimension, `block_bytes` each.
// Numbers and sizes: ggml/include/ggml.h and gguf-py/gguf/constants.py of ggml-org/llama.cpp.
struct GgmlType {
  std::uint32_t id;       // in the file
  std::string_view name;  // "Q4_1"
  std::uint32_t block_elements;
  std::uint32_t block_bytes;
  std::optional<at::ScalarType> torch;  // where elements are plain numbers
};

// nullptr for a number that GGML does not use (any more).
const GgmlType* find_ggml_type(std::uint32_t id);

}  // namespace drystill::io
