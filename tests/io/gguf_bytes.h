#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/io/test_files.h"

namespace drystill::io {

// A GGUF file in memory, built by hand so that each part of it can be wrong.
struct GgufBytes {
  std::string pairs, tensors, data;
  std::uint64_t pair_count = 0, tensor_count = 0;

  static std::string text(const std::string& value) { return little_endian(value.size(), 8) + value; }

  GgufBytes& pair(const std::string& key, std::uint32_t type, const std::string& value) {
    pairs += text(key) + little_endian(type, 4) + value;
    ++pair_count;
    return *this;
  }
  GgufBytes& tensor(const std::string& name, const std::vector<std::uint64_t>& sizes, std::uint32_t type,
                    std::uint64_t offset) {
    tensors += text(name) + little_endian(sizes.size(), 4);
    for (const auto size : sizes) tensors += little_endian(size, 8);
    tensors += little_endian(type, 4) + little_endian(offset, 8);
    ++tensor_count;
    return *this;
  }
  std::string bytes(unsigned version = 3) const {
    std::string result = "GGUF" + little_endian(version, 4) + little_endian(tensor_count, 8) +
                         little_endian(pair_count, 8) + pairs + tensors;
    result.append((32 - result.size() % 32) % 32, '\0');
    return result + data;
  }
};

}  // namespace drystill::io
