#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>

namespace drystill::io {

// The directory of a zip archive whose entries are stored, not compressed, as PyTorch writes them (zip64 included).
// Format: PKWARE APPNOTE 6.3.
class ZipReader {
 public:
  struct Entry {
    std::span<const std::byte> data;
    std::uint32_t crc = 0;  // as recorded; `read` compares
  };

  // `file` must outlive the reader; `source` names it in messages. Throws InputError where the directory is damaged,
  // entries overlap, or an entry is compressed or encrypted.
  ZipReader(std::span<const std::byte> file, std::string source);

  const std::map<std::string, Entry>& entries() const { return entries_; }

  // The bytes of an entry after checking its CRC-32.
  std::span<const std::byte> read(const std::string& name) const;

 private:
  std::string source_;
  std::map<std::string, Entry> entries_;
};

}  // namespace drystill::io
