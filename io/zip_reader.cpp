#include "io/zip_reader.h"

#include <zlib.h>

#include <algorithm>
#include <vector>

#include "core/error.h"
#include "io/quote.h"

namespace drystill::io {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::uint32_t kLocalSignature = 0x04034b50;
constexpr std::uint32_t kCentralSignature = 0x02014b50;
constexpr std::uint32_t kEndSignature = 0x06054b50;
constexpr std::uint32_t kEnd64Signature = 0x06064b50;
constexpr std::uint32_t kLocator64Signature = 0x07064b50;
constexpr std::size_t kLocalBytes = 30;
constexpr std::size_t kCentralBytes = 46;
constexpr std::size_t kEndBytes = 22;
constexpr std::size_t kEnd64Bytes = 56;
constexpr std::size_t kLocator64Bytes = 20;
constexpr std::size_t kLongestComment = 0xffff;
constexpr std::uint32_t kIn64 = 0xffffffff;  // "see the zip64 field"

class DirectoryParser {
 public:
  DirectoryParser(Bytes file, const std::string& source) : file_(file), source_(source) {}

  std::map<std::string, ZipReader::Entry> parse() {
    find_directory();
    std::map<std::string, ZipReader::Entry> entries;
    std::size_t position = directory_begin_;
    while (position < directory_end_) position = parse_entry(position, entries);
    if (entries.size() != entry_count_) fail("its directory lists another number of entries than it says");
    check_overlap();
    return entries;
  }

 private:
  struct Extent {
    std::uint64_t begin, end;
  };

  [[noreturn]] void fail(const std::string& what) const {
    throw InputError(quote(source_) + " is not a valid PyTorch zip archive: " + what +
                     "; it may be damaged or cut short, fetch or save it again");
  }

  // Little-endian, checked.
  std::uint64_t number(std::uint64_t position, unsigned width) const {
    if (position > file_.size() || width > file_.size() - position) fail("a record passes the end of the file");
    std::uint64_t result = 0;
    for (unsigned i = width; i-- > 0;) result = result << 8 | std::to_integer<std::uint64_t>(file_[position + i]);
    return result;
  }

  std::string text(std::uint64_t position, std::size_t length) const {
    if (position > file_.size() || length > file_.size() - position) fail("a name passes the end of the file");
    return {reinterpret_cast<const char*>(file_.data()) + position, length};
  }

  // The end record is last in the file, before a comment whose length it gives.
  std::size_t find_end_record() const {
    if (file_.size() < kEndBytes) fail("it is shorter than an end record");
    const std::size_t last = file_.size() - kEndBytes;
    const std::size_t first = last > kLongestComment ? last - kLongestComment : 0;
    for (std::size_t at = last + 1; at-- > first;) {
      if (number(at, 4) == kEndSignature && number(at + 20, 2) == file_.size() - at - kEndBytes) return at;
    }
    fail("its end record is missing");
  }

  void find_directory() {
    const std::size_t end = find_end_record();
    std::uint64_t limit = end;
    entry_count_ = number(end + 10, 2);
    std::uint64_t size = number(end + 12, 4);
    directory_begin_ = number(end + 16, 4);
    if (end >= kLocator64Bytes && number(end - kLocator64Bytes, 4) == kLocator64Signature) {
      const std::uint64_t end64 = number(end - kLocator64Bytes + 8, 8);
      if (end64 > end - kLocator64Bytes || end - kLocator64Bytes - end64 < kEnd64Bytes ||
          number(end64, 4) != kEnd64Signature) {
        fail("its zip64 end record is damaged");
      }
      limit = end64;
      entry_count_ = number(end64 + 32, 8);
      size = number(end64 + 40, 8);
      directory_begin_ = number(end64 + 48, 8);
    }
    if (directory_begin_ > limit || size > limit - directory_begin_) fail("its directory passes the end of the file");
    directory_end_ = directory_begin_ + size;
  }

  std::size_t parse_entry(std::size_t at, std::map<std::string, ZipReader::Entry>& entries) {
    if (directory_end_ - at < kCentralBytes || number(at, 4) != kCentralSignature) fail("its directory is damaged");
    const std::size_t name_length = number(at + 28, 2);
    const std::size_t extra_length = number(at + 30, 2);
    const std::size_t comment_length = number(at + 32, 2);
    const std::size_t next = at + kCentralBytes + name_length + extra_length + comment_length;
    if (next > directory_end_) fail("its directory is damaged");

    const std::string name = text(at + kCentralBytes, name_length);
    const std::string where = "entry " + quote(name);
    if ((number(at + 8, 2) & 1) != 0) fail(where + " is encrypted");
    if (number(at + 10, 2) != 0) fail(where + " is compressed, expected stored");
    std::uint64_t packed = number(at + 20, 4);
    std::uint64_t size = number(at + 24, 4);
    std::uint64_t header = number(at + 42, 4);
    read_zip64(at + kCentralBytes + name_length, extra_length, size, packed, header);
    if (size != packed) fail(where + " has two sizes");

    if (number(header, 4) != kLocalSignature || number(header + 26, 2) != name_length ||
        text(header + kLocalBytes, name_length) != name) {
      fail(where + " has a damaged header");
    }
    const std::uint64_t data = header + kLocalBytes + name_length + number(header + 28, 2);
    if (data > directory_begin_ || size > directory_begin_ - data) fail(where + " passes the end of the data");
    extents_.push_back({header, data + size});
    const auto crc = static_cast<std::uint32_t>(number(at + 16, 4));
    if (!entries.try_emplace(name, ZipReader::Entry{file_.subspan(data, size), crc}).second) {
      fail(where + " is listed twice");
    }
    return next;
  }

  // The zip64 field holds those of the three numbers, in this order, that did not fit into 32 bits.
  void read_zip64(std::size_t at, std::size_t length, std::uint64_t& size, std::uint64_t& packed,
                  std::uint64_t& header) const {
    const std::size_t end = at + length;
    while (end - at >= 4) {
      const std::uint64_t id = number(at, 2);
      const std::size_t field_end = at + 4 + number(at + 2, 2);
      if (field_end > end) fail("an extra field is damaged");
      if (id == 1) {
        at += 4;
        for (std::uint64_t* value : {&size, &packed, &header}) {
          if (*value != kIn64) continue;
          if (field_end - at < 8) fail("a zip64 field is too short");
          *value = number(at, 8);
          at += 8;
        }
        return;
      }
      at = field_end;
    }
  }

  // Entries that share bytes make an archive of any size out of a few: no writer does that.
  void check_overlap() {
    std::ranges::sort(extents_, {}, &Extent::begin);
    for (std::size_t i = 1; i < extents_.size(); ++i) {
      if (extents_[i].begin < extents_[i - 1].end) fail("two entries overlap");
    }
  }

  Bytes file_;
  const std::string& source_;
  std::uint64_t directory_begin_ = 0;
  std::uint64_t directory_end_ = 0;
  std::uint64_t entry_count_ = 0;
  std::vector<Extent> extents_;
};

}  // namespace

ZipReader::ZipReader(std::span<const std::byte> file, std::string source) : source_(std::move(source)) {
  entries_ = DirectoryParser(file, source_).parse();
}

std::span<const std::byte> ZipReader::read(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) throw InputError(quote(source_) + " has no entry " + quote(name) + "; it is damaged");
  const auto& [data, crc] = found->second;
  if (::crc32_z(0, reinterpret_cast<const unsigned char*>(data.data()), data.size()) != crc) {
    throw InputError(quote(source_) + ": the checksum of entry " + quote(name) +
                     " does not match its bytes; the file is damaged, fetch or save it again");
  }
  return data;
}

}  // namespace drystill::io
