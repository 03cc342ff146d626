#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace drystill::vision {

// Reads a file from front to back, through gzip where it begins with gzip's magic bytes. Throws InputError naming the
// path where it cannot be opened or read, or where the gzip stream is damaged or cut off.
class CompressedFile {
 public:
  explicit CompressedFile(std::string path);

  // Up to `count` bytes: fewer only at the end of the file. Memory grows with the bytes that are there, not with
  // `count`, which may come from a hostile header.
  std::vector<std::uint8_t> read(std::size_t count);

 private:
  struct Close {
    void operator()(void* file) const;
  };
  std::string path_;
  std::unique_ptr<void, Close> file_;
};

}  // namespace drystill::vision
