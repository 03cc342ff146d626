#include "journal/png_info.h"

namespace drystill::journal {
namespace {

constexpr std::string_view kSignature("\x89PNG\r\n\x1a\n", 8);
constexpr std::size_t kHeaderEnd = 33;  // signature, then the IHDR chunk: length, name, 13 bytes, checksum

std::uint32_t big_endian(std::string_view bytes) {
  std::uint32_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

}  // namespace

std::optional<PngInfo> read_png_info(std::string_view png) {
  if (png.size() < kHeaderEnd || !png.starts_with(kSignature) || png.substr(12, 4) != "IHDR") return std::nullopt;
  PngInfo info{.width = big_endian(png.substr(16, 4)), .height = big_endian(png.substr(20, 4))};
  switch (png[25]) {
    case 0:
      info.channels = 1;
      break;
    case 4:
      info.channels = 2;
      break;
    case 2:
    case 3:
      info.channels = 3;
      break;
    case 6:
      info.channels = 4;
      break;
    default:
      return std::nullopt;
  }
  if (info.width == 0 || info.height == 0) return std::nullopt;
  return info;
}

}  // namespace drystill::journal
