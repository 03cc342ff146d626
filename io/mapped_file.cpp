#include "io/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "core/error.h"
#include "io/quote.h"

namespace drystill::io {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& why) {
  throw InputError("cannot read " + quote(path.string()) + ": " + why);
}

[[noreturn]] void fail_with_errno(const std::filesystem::path& path) {
  fail(path, std::generic_category().message(errno));
}

// Closes a descriptor at the end of a scope.
struct Descriptor {
  int number;
  ~Descriptor() {
    if (number >= 0) ::close(number);
  }
};

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path, Access access) : path_(path) {
  // O_NONBLOCK: opening a named pipe that nobody writes to must fail below, not wait for ever.
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.number < 0) fail_with_errno(path);
  struct stat status {};
  if (::fstat(file.number, &status) != 0) fail_with_errno(path);
  if (S_ISDIR(status.st_mode)) fail(path, "it is a folder; a file is needed");
  if (!S_ISREG(status.st_mode)) fail(path, "it is not a regular file");
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size == 0) return;  // mmap refuses empty ranges
  // MAP_NORESERVE: a writable mapping of a file larger than the memory is refused otherwise.
  const int protection = access == Access::kCopyOnWrite ? PROT_READ | PROT_WRITE : PROT_READ;
  void* address = ::mmap(nullptr, size, protection, MAP_PRIVATE | MAP_NORESERVE, file.number, 0);
  if (address == MAP_FAILED) fail_with_errno(path);
  bytes_ = {static_cast<const std::byte*>(address), size};
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace drystill::io
