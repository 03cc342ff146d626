#include "io/atomic_file.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <thread>

#include "io/safetensors.h"
#include "tests/io/test_files.h"
#include "tests/support/temporary_folder.h"

namespace drystill::io {
namespace {

using testing::TemporaryFolder;

std::size_t files_in(const std::filesystem::path& folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

// Files of this process cannot grow beyond `bytes`: writing fails as it does on a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() { ::setrlimit(RLIMIT_FSIZE, &before_); }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
};

std::string run_error(const std::function<void()>& action) {
  try {
    action();
  } catch (const RunError& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    return error.what();
  }
  ADD_FAILURE() << "expected RunError";
  return "";
}

TEST(AtomicFile, AppearsOnCommit) {
  const TemporaryFolder folder;
  {
    AtomicFile file(folder / "a");
    file.write("hello");
    EXPECT_FALSE(std::filesystem::exists(folder / "a"));
    file.write(" world");
    EXPECT_EQ(file.size(), 11U);
    file.commit();
  }
  EXPECT_EQ(read_bytes(folder / "a"), "hello world");
  EXPECT_EQ(files_in(folder.path()), 1U);
}

TEST(AtomicFile, LeavesTheOldFileWithoutACommit) {
  const TemporaryFolder folder;
  write_file(folder / "a", "old");
  { AtomicFile(folder / "a").write("new"); }
  EXPECT_EQ(read_bytes(folder / "a"), "old");
  EXPECT_EQ(files_in(folder.path()), 1U);
  write_file(folder / "a", "new");
  EXPECT_EQ(read_bytes(folder / "a"), "new");
}

TEST(AtomicFile, WritesThroughASymbolicLink) {
  const TemporaryFolder folder;
  write_file(folder / "target", "old");
  std::filesystem::create_symlink("target", folder / "link");
  write_file(folder / "link", "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link"));
  EXPECT_EQ(read_bytes(folder / "target"), "new");
}

TEST(AtomicFile, WritesIntoAPipe) {
  const TemporaryFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  std::filesystem::create_symlink("pipe", folder / "link");
  for (const char* name : {"pipe", "link"}) {
    std::string received;
    std::thread reader([&] { received = read_bytes(folder / "pipe"); });
    write_file(folder / name, "hello");
    reader.join();
    EXPECT_EQ(received, "hello");
    EXPECT_TRUE(std::filesystem::is_fifo(folder / "pipe"));
    EXPECT_TRUE(std::filesystem::is_symlink(folder / "link"));
  }
  EXPECT_EQ(files_in(folder.path()), 2U);
}

// As /dev/stdout is in `drystill report RUN -o /dev/stdout | less`.
TEST(AtomicFile, WritesIntoAPipeWithoutAPath) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  write_file("/proc/self/fd/" + std::to_string(ends[1]), "hello");
  std::array<char, 16> buffer{};
  EXPECT_EQ(::read(ends[0], buffer.data(), buffer.size()), 5);
  EXPECT_STREQ(buffer.data(), "hello");
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST(AtomicFile, SaysWhyADeviceOrASocketDoesNotTakeIt) {
  EXPECT_NO_THROW(write_file("/dev/null", "hello"));
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
  EXPECT_NE(run_error([] { write_file("/dev/full", "hello"); }).find("'/dev/full': No space left"), std::string::npos);

  const TemporaryFolder folder;
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const std::string name = (folder / "s").string();
  ASSERT_LT(name.size(), sizeof address.sun_path);
  std::strcpy(address.sun_path, name.c_str());
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_NE(run_error([&] { write_file(folder / "s", "hello"); }).find("name a file"), std::string::npos);
  EXPECT_TRUE(std::filesystem::is_socket(folder / "s"));
  ::close(socket);
}

TEST(AtomicFile, LeavesTheOldFileWhenTheDiskIsFull) {
  const TemporaryFolder folder;
  write_file(folder / "a.safetensors", "old");
  std::string message;
  {
    const FileSizeLimit limit(10'000);
    message = run_error([&] { write_safetensors(folder / "a.safetensors", {{"w", at::zeros({100'000})}}); });
  }
  EXPECT_NE(message.find("a.safetensors': File too large"), std::string::npos) << message;
  EXPECT_EQ(read_bytes(folder / "a.safetensors"), "old");
  EXPECT_EQ(files_in(folder.path()), 1U);
}

TEST(AtomicFile, SaysWhyAFolderCannotBeWritten) {
  const TemporaryFolder folder;
  write_file(folder / "file", "");
  EXPECT_NE(run_error([&] { write_file(folder / "missing" / "a", ""); }).find("make the folder first"),
            std::string::npos);
  EXPECT_NE(run_error([&] { write_file(folder / "file" / "a", ""); }).find("Not a directory"), std::string::npos);
  EXPECT_NE(run_error([&] { write_file(folder.path(), ""); }).find("directory"), std::string::npos);
  if (::geteuid() == 0) return;  // root may write anywhere
  std::filesystem::permissions(folder.path(), std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  EXPECT_NE(run_error([&] { write_file(folder / "a", ""); }).find("may write to"), std::string::npos);
  std::filesystem::permissions(folder.path(), std::filesystem::perms::owner_all);
}

}  // namespace
}  // namespace drystill::io
