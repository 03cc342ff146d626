#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace drystill::io {

// A whole file, mapped: reading a header touches only the header's pages. The file itself never changes.
class MappedFile {
 public:
  // kCopyOnWrite: whoever owns the mapping may write to its memory; a page that is written to becomes its own. Tensors
  // that are views of a file need it, for an in-place operation must not end the process.
  enum class Access { kReadOnly, kCopyOnWrite };

  // Throws InputError where `path` is missing, unreadable or no regular file. An empty file has no bytes.
  explicit MappedFile(const std::filesystem::path& path, Access access = Access::kReadOnly);
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
