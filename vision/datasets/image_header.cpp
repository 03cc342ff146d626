#include "vision/datasets/image_header.h"

#include <algorithm>
#include <cstdlib>
#include <initializer_list>
#include <iterator>

namespace drystill::vision {
namespace {

using Bytes = std::span<const std::uint8_t>;

bool begins_with(Bytes file, std::initializer_list<std::uint8_t> magic) {
  return file.size() >= magic.size() && std::equal(magic.begin(), magic.end(), file.begin());
}

std::int64_t big_endian(Bytes file, std::size_t at, std::size_t count) {
  std::int64_t value = 0;
  for (std::size_t i = 0; i < count; ++i) value = value << 8 | file[at + i];
  return value;
}

std::int64_t little_endian_32(Bytes file, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 4; i-- > 0;) value = value << 8 | file[at + i];
  return static_cast<std::int32_t>(value);
}

std::optional<ImageSize> png_size(Bytes file) {  // signature, then IHDR: length, name, width, height
  if (file.size() < 24) return std::nullopt;
  return ImageSize{big_endian(file, 16, 4), big_endian(file, 20, 4)};
}

std::optional<ImageSize> bmp_size(Bytes file) {  // the height is negative where rows run from the top
  if (file.size() < 26) return std::nullopt;
  const std::int64_t header_bytes = little_endian_32(file, 14);
  if (header_bytes == 12) {  // OS/2: two 16-bit sizes
    return ImageSize{file[18] | file[19] << 8, file[20] | file[21] << 8};
  }
  return ImageSize{little_endian_32(file, 18), std::abs(little_endian_32(file, 22))};
}

bool is_frame(std::uint8_t marker) {  // SOF0 to SOF15 without DHT, JPG and DAC, which share their range
  return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

// Where the frame header, which holds the size, begins.
std::optional<std::size_t> jpeg_frame(Bytes file) {
  std::size_t at = 2;
  while (at + 9 <= file.size()) {
    if (file[at] != 0xff) return std::nullopt;
    const std::uint8_t marker = file[at + 1];
    if (is_frame(marker)) return at;
    const bool fill_byte = marker == 0xff;
    at += fill_byte ? 1 : 2 + static_cast<std::size_t>(big_endian(file, at + 2, 2));
  }
  return std::nullopt;
}

std::optional<ImageSize> jpeg_size(Bytes file) {
  const auto frame = jpeg_frame(file);
  if (!frame) return std::nullopt;
  return ImageSize{big_endian(file, *frame + 7, 2), big_endian(file, *frame + 5, 2)};
}

constexpr std::initializer_list<std::uint8_t> kPngMagic = {0x89, 'P', 'N', 'G', 0x0d, 0x0a, 0x1a, 0x0a};
constexpr std::initializer_list<std::uint8_t> kJpegMagic = {0xff, 0xd8, 0xff};
constexpr std::initializer_list<std::uint8_t> kBmpMagic = {'B', 'M'};

}  // namespace

std::optional<ImageSize> claimed_size(std::span<const std::uint8_t> file) {
  if (begins_with(file, kPngMagic)) return png_size(file);
  if (begins_with(file, kJpegMagic)) return jpeg_size(file);
  if (begins_with(file, kBmpMagic)) return bmp_size(file);
  return std::nullopt;
}

bool is_cut_off(std::span<const std::uint8_t> file) {
  if (!begins_with(file, kJpegMagic)) return false;
  // From the frame on: a thumbnail before it has an end marker of its own. Compressed data never holds one.
  const std::size_t frame = jpeg_frame(file).value_or(file.size());
  constexpr std::uint8_t kEnd[] = {0xff, 0xd9};
  return std::search(file.begin() + static_cast<std::ptrdiff_t>(frame), file.end(), std::begin(kEnd), std::end(kEnd)) ==
         file.end();
}

}  // namespace drystill::vision
