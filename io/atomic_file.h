#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

namespace drystill::io {

// A file that appears whole or not at all: bytes go to a temporary name in the same folder, and `commit` makes them
// durable and renames them over `path`. Without a commit (an exception, say) the temporary file is removed and an older
// file at `path` stays as it was. What is there and no file (a pipe, a terminal, /dev/stdout) is written into as it is.
//
// Every member throws RunError with one line where the disk is full or the folder cannot be written.
class AtomicFile {
 public:
  explicit AtomicFile(const std::filesystem::path& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);
  std::uint64_t size() const { return size_; }  // bytes written so far
  void commit();

 private:
  void open_directly();
  void open_temporary();

  std::filesystem::path path_;
  std::filesystem::path temporary_;  // empty where `path_` itself is written into
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

// The whole of a small file at once.
void write_file(const std::filesystem::path& path, std::string_view text);

// Makes renames and removals inside `folder` durable.
void sync_folder(const std::filesystem::path& folder);

// rename(2), or RunError.
void rename_path(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace drystill::io
