#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace drystill::vision {

struct ImageSize {
  std::int64_t width = 0;
  std::int64_t height = 0;
};

// The size that the header of a PNG, JPEG or BMP file claims, or nothing where it is none of these or is cut off.
// OpenCV allocates what a header asks for before it looks at the data, so the claim is checked first.
std::optional<ImageSize> claimed_size(std::span<const std::uint8_t> file);

// Whether a JPEG file, of which claimed_size() is known, ends before its end-of-image marker; false for other formats.
// Their decoders refuse a file that is cut off, the one for JPEG makes the missing part up and only warns.
bool is_cut_off(std::span<const std::uint8_t> file);

}  // namespace drystill::vision
