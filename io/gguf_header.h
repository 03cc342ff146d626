#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "io/gguf_types.h"

namespace drystill::io {

// One value of a GGUF file's metadata. Integers of every width become 64 bits wide, signed and unsigned apart; float32
// becomes double. Texts are as they stand in the file, which promises UTF-8 and need not keep it.
using GgufValue =
    std::variant<bool, std::int64_t, std::uint64_t, double, std::string, std::vector<bool>, std::vector<std::int64_t>,
                 std::vector<std::uint64_t>, std::vector<double>, std::vector<std::string>>;

struct GgufTensor {
  const GgmlType* type = nullptr;
  std::vector<std::int64_t> shape;  // in PyTorch's order, the dimension that lies packed last: GGML's `ne` reversed
  std::uint64_t begin = 0;          // within the file
  std::uint64_t bytes = 0;
};

// The part of a GGUF file before its data, checked: every tensor lies within the file, at an aligned place, and none
// overlaps another.
struct GgufHeader {
  unsigned version = 0;
  std::map<std::string, GgufValue, std::less<>> metadata;
  std::map<std::string, GgufTensor, std::less<>> tensors;
};

// `file` is the whole file, little-endian, of version 2 or 3; `source` names it in messages. Throws InputError, naming
// the key or tensor, where anything does not fit. Memory stays within a small multiple of the file's header.
// Format: docs/gguf.md of ggml-org/ggml.
GgufHeader parse_gguf_header(std::span<const std::byte> file, const std::string& source);

}  // namespace drystill::io
