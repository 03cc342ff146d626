#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace drystill::journal {

// Size of a picture in pixels.
struct PngInfo {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::uint32_t channels = 0;  // 1 grey, 2 grey and alpha, 3 RGB or palette, 4 RGBA
};

// From the header of a PNG file; nothing where the bytes are no PNG (W3C PNG, section 11.2.2).
std::optional<PngInfo> read_png_info(std::string_view png);

}  // namespace drystill::journal
