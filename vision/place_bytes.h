#pragma once

#include <cstddef>
#include <cstdint>

namespace drystill::vision {

// One image in memory: `planes` times `height` rows of `width` pixels of `pixel` bytes. [C, H, W] has C planes and one
// value a pixel; channels-last has one plane and C values a pixel.
struct ImageLayout {
  std::int64_t planes;
  std::int64_t height;
  std::int64_t width;
  std::int64_t pixel;

  std::int64_t bytes() const { return planes * height * width * pixel; }
};

// to(y, x) = from(y + rows, f(x) + columns), f(x) = mirror ? width - 1 - x : x. Where that lies outside `from`, `to` is
// left as it is.
void place_bytes(const std::byte* from, std::byte* to, const ImageLayout& layout, std::int64_t rows,
                 std::int64_t columns, bool mirror);

}  // namespace drystill::vision
