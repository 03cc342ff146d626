#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace drystill::journal {

// CRC-32C (Castagnoli, reflected polynomial 0x82f63b78), the checksum of iSCSI (RFC 3720, appendix B.4).
std::uint32_t crc32c(std::string_view bytes);
// As TFRecord stores it, so that a checksum of data that holds checksums stays good: rotated right by 15, plus a
// constant (tensorflow/core/lib/hash/crc32c.h).
std::uint32_t masked_crc32c(std::string_view bytes);

// A TensorBoard event file: TFRecord frames (u64 length, masked CRC of it, bytes, masked CRC of them; little-endian)
// around protobuf messages of tensorflow/core/util/event.proto and framework/summary.proto, encoded by hand because a
// linked protobuf clashes with those inside other libraries.
class EventFile {
 public:
  // Makes a new file in `folder`, named so that it sorts after those that are there. TensorBoard is told to forget what
  // earlier files say from step `forget_from` on. Throws RunError.
  EventFile(const std::filesystem::path& folder, double wall_time,
            std::optional<std::int64_t> forget_from = std::nullopt);
  ~EventFile();
  EventFile(const EventFile&) = delete;
  EventFile& operator=(const EventFile&) = delete;

  void scalar(std::int64_t step, std::string_view tag, double value, double wall_time);
  // `png` is a PNG file's bytes; what is none is left out, as TensorBoard could not show it.
  void image(std::int64_t step, std::string_view tag, std::string_view png, double wall_time);

  const std::filesystem::path& path() const { return path_; }

 private:
  void write_frame(std::string_view event);

  std::filesystem::path path_;
  int file_ = -1;
};

}  // namespace drystill::journal
