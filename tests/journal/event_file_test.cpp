#include "journal/event_file.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <map>
#include <stdexcept>

#include "journal/text_file.h"
#include "tests/support/temporary_folder.h"

namespace drystill::journal {
namespace {

// A second implementation, bit by bit from the polynomial in its plain order: shares nothing with the tables.
std::uint32_t slow_crc32c(std::string_view bytes) {
  const auto reversed = [](std::uint32_t value, int bits) {
    std::uint32_t result = 0;
    for (int i = 0; i < bits; ++i) result |= (value >> i & 1U) << (bits - 1 - i);
    return result;
  };
  std::uint32_t remainder = 0xffffffffU;
  for (const char byte : bytes) {
    remainder ^= reversed(static_cast<unsigned char>(byte), 8) << 24;
    for (int bit = 0; bit < 8; ++bit) {
      remainder = (remainder & 0x80000000U) != 0 ? remainder << 1 ^ 0x1edc6f41U : remainder << 1;
    }
  }
  return ~reversed(remainder, 32);
}

template <class Integer>
Integer take(std::string_view& bytes) {
  Integer value;
  if (bytes.size() < sizeof value) throw std::runtime_error("short");
  std::memcpy(&value, bytes.data(), sizeof value);
  bytes.remove_prefix(sizeof value);
  return value;
}

// Frames of a TFRecord file, checksums verified.
std::vector<std::string> frames_of(const std::string& file) {
  const auto masked = [](std::string_view part) {
    const std::uint32_t crc = slow_crc32c(part);
    return (crc >> 15 | crc << 17) + 0xa282ead8U;
  };
  std::vector<std::string> frames;
  for (std::string_view rest = file; !rest.empty();) {
    const auto head = rest.substr(0, 8);
    const auto size = take<std::uint64_t>(rest);
    if (take<std::uint32_t>(rest) != masked(head)) throw std::runtime_error("length checksum");
    if (size > rest.size()) throw std::runtime_error("short frame");
    frames.emplace_back(rest.substr(0, size));
    rest.remove_prefix(size);
    if (take<std::uint32_t>(rest) != masked(frames.back())) throw std::runtime_error("data checksum");
  }
  return frames;
}

// Field number -> raw payload of a protobuf message: varints as decimal text, the rest as bytes.
std::map<int, std::string> fields_of(std::string_view message) {
  const auto varint = [&message] {
    std::uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = take<std::uint8_t>(message);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  std::map<int, std::string> fields;
  while (!message.empty()) {
    const auto key = varint();
    std::string payload;
    std::size_t size = 0;
    switch (key & 7) {
      case 0:
        payload = std::to_string(varint());
        break;
      case 1:
        size = 8;
        break;
      case 2:
        size = varint();
        break;
      case 5:
        size = 4;
        break;
      default:
        throw std::runtime_error("wire type");
    }
    if (size > message.size()) throw std::runtime_error("short field");
    if ((key & 7) != 0) payload = message.substr(0, size);
    message.remove_prefix(size);
    fields[static_cast<int>(key >> 3)] = payload;
  }
  return fields;
}

template <class Float, class Bits>
Float as(const std::string& bytes) {
  std::string_view view = bytes;
  return std::bit_cast<Float>(take<Bits>(view));
}

// The header of a 300 x 200 RGB picture; the rest does not matter here.
std::string png_of_300_by_200() {
  using namespace std::string_literals;
  return "\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x01\x2c\0\0\0\xc8\x08\x02\0\0\0\0\0\0\0"s;
}

TEST(Crc32c, KnownAnswers) {
  // RFC 3720, appendix B.4, and the usual check value.
  EXPECT_EQ(crc32c("123456789"), 0xe3069283U);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aaU);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43U);
  std::string ascending(32, '\0');
  for (int i = 0; i < 32; ++i) ascending[static_cast<std::size_t>(i)] = static_cast<char>(i);
  EXPECT_EQ(crc32c(ascending), 0x46dd794eU);
  EXPECT_EQ(crc32c(std::string(ascending.rbegin(), ascending.rend())), 0x113fdb5cU);
  EXPECT_EQ(crc32c(""), 0U);
}

TEST(EventFile, HoldsWhatWasWritten) {
  const testing::TemporaryFolder folder;
  {
    EventFile file(folder.path(), 1000.25);
    file.scalar(0, "train/loss", 0.5, 1001.5);
    file.scalar(300, "evaluation/accuracy", std::nan(""), 1002);
    file.image(300, "samples/grid", png_of_300_by_200(), 1003);
    file.image(301, "samples/grid", "no picture", 1004);
  }
  const auto frames = frames_of(read_text(folder / "events.out.tfevents.00000.drystill"));
  ASSERT_EQ(frames.size(), 4u);
  auto event = fields_of(frames[0]);
  EXPECT_EQ(event[3], "brain.Event:2");
  EXPECT_EQ((as<double, std::uint64_t>(event[1])), 1000.25);

  event = fields_of(frames[1]);
  EXPECT_FALSE(event.contains(2));  // step 0 is protobuf's default
  auto value = fields_of(fields_of(event[5])[1]);
  EXPECT_EQ(value[1], "train/loss");
  EXPECT_EQ((as<float, std::uint32_t>(value[2])), 0.5f);

  event = fields_of(frames[2]);
  EXPECT_EQ(event[2], "300");
  value = fields_of(fields_of(event[5])[1]);
  EXPECT_TRUE(std::isnan(as<float, std::uint32_t>(value[2])));

  value = fields_of(fields_of(fields_of(frames[3])[5])[1]);
  EXPECT_EQ(value[1], "samples/grid");
  auto image = fields_of(value[4]);
  EXPECT_EQ(image[1], "200");
  EXPECT_EQ(image[2], "300");
  EXPECT_EQ(image[3], "3");
  EXPECT_EQ(image[4], png_of_300_by_200());
}

TEST(EventFile, ANewFileVoidsLaterSteps) {
  const testing::TemporaryFolder folder;
  EventFile first(folder.path(), 1);
  EventFile second(folder.path(), 2, 41);
  EXPECT_LT(first.path(), second.path());
  const auto frames = frames_of(read_text(second.path()));
  ASSERT_EQ(frames.size(), 2u);
  auto event = fields_of(frames[1]);
  EXPECT_EQ(event[2], "41");
  EXPECT_EQ(fields_of(event[7])[1], "1");  // SessionLog.START
}

}  // namespace
}  // namespace drystill::journal
