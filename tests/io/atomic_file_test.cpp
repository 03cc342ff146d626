#include "io/atomic_file.h"

#include <sys/resource.h>
#include <unistd.h>

#include <csignal>

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
