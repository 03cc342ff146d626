#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace drystill::io {

// A whole file, mapped read-only: reading a header touches only the header's pages.
class MappedFile {
 public:
  // Throws InputError where `path` is missing, unreadable or no regular file. An empty file has no bytes.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return bytes_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  std::span<const std::byte> bytes_;
};

}  // namespace drystill::io
