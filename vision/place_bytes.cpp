#include "vision/place_bytes.h"

#include <algorithm>
#include <cstring>

namespace drystill::vision {
namespace {

template <std::int64_t kPixel>
void reverse_fixed(const std::byte* last, std::byte* to, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) std::memcpy(to + i * kPixel, last - i * kPixel, kPixel);
}

// Copies `count` pixels that end with the one at `last`, in reverse. A copy of a length that the compiler knows is one
// or two moves: the lengths of 1 and 3 channels in 1, 2 and 4 bytes.
void reverse(const std::byte* last, std::byte* to, std::int64_t count, std::int64_t pixel) {
  switch (pixel) {
    case 1:
      return reverse_fixed<1>(last, to, count);
    case 2:
      return reverse_fixed<2>(last, to, count);
    case 3:
      return reverse_fixed<3>(last, to, count);
    case 4:
      return reverse_fixed<4>(last, to, count);
    case 6:
      return reverse_fixed<6>(last, to, count);
    case 12:
      return reverse_fixed<12>(last, to, count);
    default:
      for (std::int64_t i = 0; i < count; ++i) {
        std::memcpy(to + i * pixel, last - i * pixel, static_cast<std::size_t>(pixel));
      }
  }
}

}  // namespace

void place_bytes(const std::byte* from, std::byte* to, const ImageLayout& layout, std::int64_t rows,
                 std::int64_t columns, bool mirror) {
  const std::int64_t width = layout.width, height = layout.height, pixel = layout.pixel;
  // Output columns whose source column, x + shift or width - 1 - x + columns, lies in the image.
  const std::int64_t shift = mirror ? -columns : columns;
  const std::int64_t first = std::max<std::int64_t>(0, -shift);
  const std::int64_t count = std::min(width, width - shift) - first;
  if (count <= 0) return;
  const std::int64_t source = mirror ? width - 1 - first + columns : first + columns;
  for (std::int64_t plane = 0; plane < layout.planes; ++plane) {
    for (std::int64_t y = std::max<std::int64_t>(0, -rows); y < std::min(height, height - rows); ++y) {
      const std::byte* pixels = from + ((plane * height + y + rows) * width + source) * pixel;
      std::byte* destination = to + ((plane * height + y) * width + first) * pixel;
      if (mirror) {
        reverse(pixels, destination, count, pixel);
      } else {
        std::memcpy(destination, pixels, static_cast<std::size_t>(count * pixel));
      }
    }
  }
}

}  // namespace drystill::vision
