#include "vision/datasets/compressed_file.h"

#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "core/error.h"

namespace drystill::vision {
namespace {

constexpr std::size_t kChunk = std::size_t{1} << 20;

}  // namespace

void CompressedFile::Close::operator()(void* file) const {
  gzclose(static_cast<gzFile>(file));
}

CompressedFile::CompressedFile(std::string path) : path_(std::move(path)) {
  // Opening a folder succeeds and only reading it fails, with a text that does not say so.
  if (std::filesystem::is_directory(path_)) throw InputError(path_ + ": expected a file, got a folder");
  errno = 0;
  file_.reset(gzopen(path_.c_str(), "rb"));
  if (!file_) {
    throw InputError(path_ + ": cannot be opened: " + std::strerror(errno ? errno : ENOMEM) +
                     "; check the dataset's paths in the configuration");
  }
  gzbuffer(static_cast<gzFile>(file_.get()), 1 << 18);
}

std::vector<std::uint8_t> CompressedFile::read(std::size_t count) {
  const auto file = static_cast<gzFile>(file_.get());
  std::vector<std::uint8_t> bytes;
  while (bytes.size() < count) {
    const std::size_t before = bytes.size();
    const std::size_t wanted = std::min(count - before, kChunk);
    bytes.resize(before + wanted);
    const int got = gzread(file, bytes.data() + before, static_cast<unsigned>(wanted));
    int status = Z_OK;
    const char* reason = gzerror(file, &status);
    if (got < 0 || status == Z_BUF_ERROR) {
      throw InputError(path_ + ": cannot be read: " +
                       (status == Z_ERRNO       ? std::strerror(errno)
                        : status == Z_BUF_ERROR ? "the gzip stream ends too early"
                                                : "damaged gzip stream (" + std::string(reason) + ")") +
                       "; fetch the file again");
    }
    bytes.resize(before + static_cast<std::size_t>(got));
    if (static_cast<std::size_t>(got) < wanted) break;
  }
  return bytes;
}

}  // namespace drystill::vision
