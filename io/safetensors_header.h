#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "io/tensor_file.h"

namespace drystill::io {

// The header of a safetensors file, checked: the tensors fill the data area exactly, without holes or overlap.
struct SafetensorsHeader {
  struct Entry {
    TensorInfo info;
    std::uint64_t begin = 0;  // within the data area
    std::uint64_t end = 0;
  };
  std::vector<Entry> entries;  // by position in the file
  std::map<std::string, std::string> metadata;
  std::uint64_t data_start = 0;  // of the data area within the file
};

// `file` is the whole file; `source` names it in messages. Throws InputError where anything does not fit, before
// anything of the size of a tensor is allocated.
SafetensorsHeader parse_safetensors_header(std::span<const std::byte> file, const std::string& source);

// The first bytes of a file: length, JSON, spaces up to a multiple of 8. Entries are written in the order given.
std::string format_safetensors_header(const SafetensorsHeader& header);

}  // namespace drystill::io
