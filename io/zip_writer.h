#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "io/atomic_file.h"

namespace drystill::io {

// Writes stored entries, their data aligned to 64 bytes as PyTorch's own writer does, so that the archive can be
// mapped. Dates are fixed: equal content gives equal files. No zip64: throws InputError beyond 4 GiB.
class ZipWriter {
 public:
  explicit ZipWriter(AtomicFile& file) : file_(file) {}

  void add(const std::string& name, std::span<const std::byte> data);
  // Writes the directory; the caller commits the file.
  void finish();

 private:
  struct Entry {
    std::string name;
    std::uint32_t crc;
    std::uint32_t size;
    std::uint32_t header;
  };
  AtomicFile& file_;
  std::vector<Entry> entries_;
};

}  // namespace drystill::io
