#include "io/zip_reader.h"

#include "io/zip_writer.h"
#include "tests/io/test_files.h"
#include "tests/support/temporary_folder.h"

namespace drystill::io {
namespace {

using testing::TemporaryFolder;

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string archive(const std::vector<std::pair<std::string, std::string>>& entries) {
  const TemporaryFolder folder;
  AtomicFile file(folder / "a.zip");
  ZipWriter zip(file);
  for (const auto& [name, data] : entries) zip.add(name, bytes_of(data));
  zip.finish();
  file.commit();
  return read_bytes(folder / "a.zip");
}

std::string content(const ZipReader& zip, const std::string& name) {
  const auto data = zip.read(name);
  return {reinterpret_cast<const char*>(data.data()), data.size()};
}

TEST(ZipReader, ReadsWhatTheWriterWrote) {
  const std::string bytes = archive({{"a/x", "hello"}, {"a/empty", ""}, {"a/y", std::string(1000, 'y')}});
  const ZipReader zip(bytes_of(bytes), "test");
  EXPECT_EQ(zip.entries().size(), 3U);
  EXPECT_EQ(content(zip, "a/x"), "hello");
  EXPECT_EQ(content(zip, "a/empty"), "");
  EXPECT_EQ(content(zip, "a/y"), std::string(1000, 'y'));
  for (const auto& [name, entry] : zip.entries()) {
    EXPECT_EQ((reinterpret_cast<const char*>(entry.data.data()) - bytes.data()) % 64, 0) << name;
  }
  input_error([&] { zip.read("a/missing"); });
}

TEST(ZipReader, ReadsAnEmptyArchiveAndOneWithAComment) {
  std::string bytes = archive({});
  EXPECT_TRUE(ZipReader(bytes_of(bytes), "test").entries().empty());
  bytes.replace(bytes.size() - 2, 2, little_endian(3, 2) + "abc");
  EXPECT_TRUE(ZipReader(bytes_of(bytes), "test").entries().empty());
}

TEST(ZipReader, RefusesAWrongChecksum) {
  std::string bytes = archive({{"a", "hello"}});
  bytes[bytes.find("hello")] = 'j';
  const ZipReader zip(bytes_of(bytes), "test");
  EXPECT_NE(input_error([&] { zip.read("a"); }).find("checksum"), std::string::npos);
}

// Changes `width` bytes at `offset` from the first directory entry, or from the end record.
struct Damage {
  const char* what;
  const char* record;
  std::size_t offset;
  std::uint64_t value;
  unsigned width;
  const char* message;
};

class DamagedZip : public ::testing::TestWithParam<Damage> {};

TEST_P(DamagedZip, IsRefused) {
  const Damage& damage = GetParam();
  std::string bytes = archive({{"a", "hello"}, {"b", "world"}});
  const std::size_t at = bytes.find(damage.record) + damage.offset;
  bytes.replace(at, damage.width, little_endian(damage.value, damage.width));
  const auto message = input_error([&] { ZipReader(bytes_of(bytes), "test"); });
  EXPECT_NE(message.find(damage.message), std::string::npos) << message;
}

INSTANTIATE_TEST_SUITE_P(
    Fields, DamagedZip,
    ::testing::Values(Damage{"Encrypted", "PK\1\2", 8, 1, 2, "encrypted"},
                      Damage{"Compressed", "PK\1\2", 10, 8, 2, "compressed"},
                      Damage{"TwoSizes", "PK\1\2", 20, 4, 4, "two sizes"},
                      Damage{"HugeSizes", "PK\1\2", 20, 0x7fffffff'7fffffff, 8, "passes the end"},
                      Damage{"SizeIn64ButNoField", "PK\1\2", 20, 0xffffffff'ffffffff, 8, "passes the end"},
                      Damage{"HugeName", "PK\1\2", 28, 0xffff, 2, "directory is damaged"},
                      Damage{"HugeExtra", "PK\1\2", 30, 0xffff, 2, "directory is damaged"},
                      Damage{"HeaderPastTheEnd", "PK\1\2", 42, 0xfffffff0, 4, "end of the file"},
                      Damage{"HeaderElsewhere", "PK\1\2", 42, 1, 4, "damaged header"},
                      Damage{"OtherName", "PK\1\2", 46, 'c', 1, "damaged header"},
                      Damage{"LocalNameLength", "PK\3\4", 26, 0, 2, "damaged header"},
                      Damage{"LocalExtraLength", "PK\3\4", 28, 0xffff, 2, "passes the end"},
                      Damage{"DirectorySignature", "PK\1\2", 0, 0, 4, "directory is damaged"},
                      Damage{"MoreEntries", "PK\5\6", 10, 3, 2, "another number"},
                      Damage{"FewerEntries", "PK\5\6", 10, 1, 2, "another number"},
                      Damage{"HugeDirectory", "PK\5\6", 12, 0xffffffff, 4, "directory passes"},
                      Damage{"DirectoryPastTheEnd", "PK\5\6", 16, 0xffffff00, 4, "directory passes"},
                      Damage{"CommentLength", "PK\5\6", 20, 9, 2, "end record is missing"}),
    [](const auto& instance) { return std::string(instance.param.what); });

TEST(ZipReader, RefusesTwoEntriesOfOneName) {
  std::string bytes = archive({{"a", "hello"}, {"a", "world"}});
  EXPECT_NE(input_error([&] { ZipReader(bytes_of(bytes), "test"); }).find("twice"), std::string::npos);
}

TEST(ZipReader, RefusesOverlap) {
  std::string bytes = archive({{"a", std::string(300, 'x')}, {"b", "world"}});
  const std::size_t entry = bytes.find("PK\1\2");
  bytes.replace(entry + 20, 8, little_endian(380, 4) + little_endian(380, 4));
  EXPECT_NE(input_error([&] { ZipReader(bytes_of(bytes), "test"); }).find("overlap"), std::string::npos);
}

}  // namespace
}  // namespace drystill::io
