#include "journal/text_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <ctime>
#include <fstream>
#include <system_error>

#include "core/error.h"

namespace drystill::journal {

void throw_errno(std::string_view doing, const std::filesystem::path& path, int error) {
  std::string hint;
  if (error == ENOSPC || error == EDQUOT) hint = "; free some space, or choose another folder with --out";
  if (error == EACCES || error == EROFS || error == EPERM) hint = "; choose a folder you may write to with --out";
  throw RunError("cannot " + std::string(doing) + " " + path.string() + ": " + std::generic_category().message(error) +
                 hint);
}

void write_all(int file, std::string_view bytes, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      throw_errno("write", path, errno);
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

std::string read_text(const std::filesystem::path& path, std::uint64_t limit) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (error) throw InputError("cannot read " + path.string() + ": " + error.message());
  if (size > limit) {
    throw InputError(path.string() + " has " + std::to_string(size) + " bytes, expected at most " +
                     std::to_string(limit));
  }
  std::ifstream stream(path, std::ios::binary);
  std::string text;
  text.reserve(size);
  // Not the size from above: the file may be growing.
  for (std::array<char, 1 << 16> buffer; stream.read(buffer.data(), buffer.size()), stream.gcount() > 0;) {
    text.append(buffer.data(), static_cast<std::size_t>(stream.gcount()));
  }
  if (!stream.eof()) throw InputError("cannot read " + path.string());
  return text;
}

void append_text(const std::filesystem::path& path, std::string_view text) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file < 0) throw_errno("write", path, errno);
  try {
    write_all(file, text, path);
  } catch (...) {
    ::close(file);
    throw;
  }
  ::close(file);
}

std::string utc_time(std::int64_t seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts = {};
  gmtime_r(&time, &parts);
  std::array<char, 64> buffer;
  const std::size_t size = std::strftime(buffer.data(), buffer.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return {buffer.data(), size};
}

std::string utc_now() {
  return utc_time(std::time(nullptr));
}

}  // namespace drystill::journal
