#include "io/zip_writer.h"

#include <zlib.h>

#include "core/error.h"

namespace drystill::io {
namespace {

constexpr std::uint64_t kAlignment = 64;
constexpr std::uint64_t kLargest = 0xfffffffe;  // 0xffffffff stands for "see zip64"
constexpr std::size_t kMostEntries = 0xfffe;
constexpr std::size_t kLocalBytes = 30;
constexpr unsigned kVersion = 20;
constexpr unsigned kUtf8Names = 0x0800;
constexpr unsigned kFirstDay = 0x0021;      // 1980-01-01, the earliest date of the format
constexpr unsigned kPaddingField = 0x4246;  // the field id PyTorch pads with ("FB")

void put(std::string& out, std::uint64_t value, unsigned width) {
  for (unsigned i = 0; i < width; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
}

// What a local header and a directory entry have in common, from "version needed" to the sizes.
std::string shared_fields(std::uint32_t crc, std::uint32_t size) {
  std::string out;
  put(out, kVersion, 2);
  put(out, kUtf8Names, 2);
  put(out, 0, 2);  // stored
  put(out, 0, 2);  // midnight
  put(out, kFirstDay, 2);
  put(out, crc, 4);
  put(out, size, 4);
  put(out, size, 4);
  return out;
}

}  // namespace

void ZipWriter::add(const std::string& name, std::span<const std::byte> data) {
  const std::uint64_t header = file_.size();
  if (header + data.size() > kLargest - 0x10000 || entries_.size() >= kMostEntries) {
    throw InputError("a .pth file of more than 4 GiB or 65534 tensors cannot be written; write .safetensors instead");
  }
  // The padding is an extra field of at least 4 bytes, its own header.
  const std::uint64_t unpadded = header + kLocalBytes + name.size() + 4;
  const std::uint64_t padding = (kAlignment - unpadded % kAlignment) % kAlignment;
  const auto crc =
      static_cast<std::uint32_t>(::crc32_z(0, reinterpret_cast<const unsigned char*>(data.data()), data.size()));
  const auto size = static_cast<std::uint32_t>(data.size());

  std::string out = "PK\x03\x04" + shared_fields(crc, size);
  put(out, name.size(), 2);
  put(out, 4 + padding, 2);
  out += name;
  put(out, kPaddingField, 2);
  put(out, padding, 2);
  out.append(padding, 'Z');
  file_.write(out);
  file_.write(data);
  entries_.push_back({name, crc, size, static_cast<std::uint32_t>(header)});
}

void ZipWriter::finish() {
  const std::uint64_t begin = file_.size();
  std::string out;
  for (const Entry& entry : entries_) {
    out += "PK\x01\x02";
    put(out, kVersion, 2);  // made by
    out += shared_fields(entry.crc, entry.size);
    put(out, entry.name.size(), 2);
    put(out, 0, 2);  // extra
    put(out, 0, 2);  // comment
    put(out, 0, 2);  // disk
    put(out, 0, 2);  // internal attributes
    put(out, 0, 4);  // external attributes
    put(out, entry.header, 4);
    out += entry.name;
  }
  if (begin + out.size() > kLargest)
    throw InputError("a .pth file of more than 4 GiB cannot be written; write .safetensors instead");
  const std::uint64_t size = out.size();
  out += "PK\x05\x06";
  put(out, 0, 4);  // disks
  put(out, entries_.size(), 2);
  put(out, entries_.size(), 2);
  put(out, size, 4);
  put(out, begin, 4);
  put(out, 0, 2);  // comment
  file_.write(out);
}

}  // namespace drystill::io
