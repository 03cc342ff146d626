#include "journal/event_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cstdio>

#include "journal/png_info.h"
#include "journal/text_file.h"

namespace drystill::journal {
namespace {

constexpr std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table = {};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78U : 0U);
    table[i] = crc;
  }
  return table;
}
constexpr auto kCrcTable = make_crc_table();

template <class Integer>
std::string little_endian(Integer value) {
  std::string bytes(sizeof value, '\0');
  for (char& byte : bytes) {
    byte = static_cast<char>(value & 0xff);
    value >>= 8;
  }
  return bytes;
}

// A protobuf message under construction. Field numbers are those of the .proto files; all are below 16, so a key is one
// byte: number << 3 | wire type.
class Message {
 public:
  Message& varint(int field, std::uint64_t value) {
    key(field, 0);
    append_varint(value);
    return *this;
  }
  Message& float64(int field, double value) {
    key(field, 1);
    bytes_ += little_endian(std::bit_cast<std::uint64_t>(value));
    return *this;
  }
  Message& float32(int field, float value) {
    key(field, 5);
    bytes_ += little_endian(std::bit_cast<std::uint32_t>(value));
    return *this;
  }
  Message& bytes(int field, std::string_view value) {
    key(field, 2);
    append_varint(value.size());
    bytes_ += value;
    return *this;
  }
  Message& message(int field, const Message& value) { return bytes(field, value.bytes_); }

  const std::string& encoded() const { return bytes_; }

 private:
  void key(int field, int wire_type) { bytes_ += static_cast<char>(field << 3 | wire_type); }
  void append_varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>((value & 0x7f) | 0x80);
    bytes_ += static_cast<char>(value);
  }

  std::string bytes_;
};

// Event: wall_time = 1, step = 2, then one of file_version = 3, summary = 5, session_log = 7.
Message event_at(double wall_time, std::int64_t step) {
  Message event;
  event.float64(1, wall_time);
  if (step != 0) event.varint(2, static_cast<std::uint64_t>(step));
  return event;
}

std::string summary_event(double wall_time, std::int64_t step, const Message& value) {
  return event_at(wall_time, step).message(5, Message().message(1, value)).encoded();
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t crc = 0xffffffffU;
  for (const char byte : bytes) crc = (crc >> 8) ^ kCrcTable[(crc ^ static_cast<unsigned char>(byte)) & 0xff];
  return ~crc;
}

std::uint32_t masked_crc32c(std::string_view bytes) {
  return std::rotr(crc32c(bytes), 15) + 0xa282ead8U;
}

EventFile::EventFile(const std::filesystem::path& folder, double wall_time, std::optional<std::int64_t> forget_from) {
  constexpr int kMostFiles = 100000;  // five digits
  // TensorBoard reads the files of a run in the order of their names: a number in front, not the time, as clocks go
  // back.
  for (int number = 0; file_ < 0 && number < kMostFiles; ++number) {
    std::array<char, 64> name;
    std::snprintf(name.data(), name.size(), "events.out.tfevents.%05d.drystill", number);
    path_ = folder / name.data();
    file_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
    if (file_ < 0 && errno != EEXIST) throw_errno("write", path_, errno);
  }
  if (file_ < 0) throw_errno("write", path_, EEXIST);

  write_frame(event_at(wall_time, 0).bytes(3, "brain.Event:2").encoded());
  if (forget_from) {
    constexpr std::uint64_t kSessionStart = 1;
    write_frame(event_at(wall_time, *forget_from).message(7, Message().varint(1, kSessionStart)).encoded());
  }
}

EventFile::~EventFile() {
  if (file_ >= 0) ::close(file_);
}

void EventFile::scalar(std::int64_t step, std::string_view tag, double value, double wall_time) {
  // Summary.Value: tag = 1, simple_value = 2.
  write_frame(summary_event(wall_time, step, Message().bytes(1, tag).float32(2, static_cast<float>(value))));
}

void EventFile::image(std::int64_t step, std::string_view tag, std::string_view png, double wall_time) {
  const auto info = read_png_info(png);
  if (!info) return;
  // Summary.Image: height = 1, width = 2, colorspace = 3 (the number of channels), encoded_image_string = 4.
  Message image;
  image.varint(1, info->height).varint(2, info->width).varint(3, info->channels).bytes(4, png);
  write_frame(summary_event(wall_time, step, Message().bytes(1, tag).message(4, image)));
}

void EventFile::write_frame(std::string_view event) {
  const std::string length = little_endian(static_cast<std::uint64_t>(event.size()));
  std::string frame = length + little_endian(masked_crc32c(length));
  frame += event;
  frame += little_endian(masked_crc32c(event));
  write_all(file_, frame, path_);
}

}  // namespace drystill::journal
