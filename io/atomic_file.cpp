#include "io/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <string>
#include <system_error>

#include "core/error.h"
#include "io/quote.h"

namespace drystill::io {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, int error) {
  std::string advice;
  if (error == ENOSPC || error == EDQUOT) advice = "; free some space, or choose another folder";
  if (error == EACCES || error == EROFS || error == EPERM) advice = "; choose a folder that you may write to";
  if (error == ENOENT) advice = "; make the folder first";
  if (error == ENXIO) advice = "; nothing takes what is written there: name a file";
  if (error == EFBIG) advice = "; the file would pass the size limit set for this process (ulimit -f)";
  throw RunError("cannot write " + quote(path.string()) + ": " + std::generic_category().message(error) + advice);
}

std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

// A symbolic link stays a link: what it points to is replaced.
std::filesystem::path final_path(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_symlink(path, error)) return path;
  const auto target = std::filesystem::weakly_canonical(path, error);
  return error ? path : target;
}

// A pipe, a device or a socket, or a link to one: nothing that a file could take the place of. The kernel is asked:
// /dev/stdout is a link to a pipe that has no path.
bool is_stream(const std::filesystem::path& path) {
  struct stat status = {};
  return ::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
}

}  // namespace

AtomicFile::AtomicFile(const std::filesystem::path& path) : path_(is_stream(path) ? path : final_path(path)) {
  if (std::filesystem::is_directory(path_)) fail(path_, EISDIR);
  if (is_stream(path_)) {
    open_directly();
  } else {
    open_temporary();
  }
}

void AtomicFile::open_directly() {
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_NOCTTY | O_CLOEXEC);
  if (descriptor_ < 0) fail(path_, errno);
}

void AtomicFile::open_temporary() {
  static std::atomic<unsigned> counter = 0;
  do {
    std::string name = ".";
    name.append(path_.filename().string()).append(".tmp-");
    name.append(std::to_string(::getpid())).append("-").append(std::to_string(counter++));
    temporary_ = folder_of(path_) / name;
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (descriptor_ < 0 && errno == EEXIST);  // left behind by a killed process of the same number
  if (descriptor_ < 0) fail(path_, errno);
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(path_, errno);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    size_ += static_cast<std::uint64_t>(written);
  }
}

void AtomicFile::write(std::string_view text) {
  write(std::as_bytes(std::span(text.data(), text.size())));
}

void AtomicFile::commit() {
  if (!temporary_.empty() && ::fsync(descriptor_) != 0) fail(path_, errno);
  const int closed = ::close(descriptor_);
  descriptor_ = -1;
  if (closed != 0) fail(path_, errno);  // some network file systems report a full disk only here
  if (temporary_.empty()) return;
  rename_path(temporary_, path_);
  temporary_.clear();
  sync_folder(folder_of(path_));
}

void write_file(const std::filesystem::path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

void sync_folder(const std::filesystem::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) fail(folder, errno);
  const int error = ::fsync(descriptor) == 0 ? 0 : errno;
  ::close(descriptor);
  if (error != 0 && error != EINVAL) fail(folder, error);  // EINVAL: a file system that cannot sync folders
}

void rename_path(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0) fail(to, errno);
}

}  // namespace drystill::io
