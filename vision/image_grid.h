#pragma once

#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace drystill::vision {

// What stands below an image.
struct Caption {
  std::string name;                  // printable ASCII is drawn, every other byte becomes '?'; shortened where too long
  std::optional<double> confidence;  // 0..1: a percentage and a bar
};

// Images side by side on white, each enlarged by a whole factor (so that pixels stay pixels) to about a hundred pixels,
// with its caption below. images: [N, C, H, W], uint8 or floating point 0..1 (clamped; NaN is drawn black), on any
// device; of more than three channels the first three are drawn, of two the first; captions: N of them, or none.
// `columns` 0 means nearly square. Returns [3, height, width] uint8 on the CPU.
torch::Tensor draw_grid(const torch::Tensor& images, const std::vector<Caption>& captions, std::int64_t columns = 0);

// The bytes of a PNG file. image: [1|3, H, W] uint8, on the CPU.
std::vector<std::uint8_t> encode_png(const torch::Tensor& image);

}  // namespace drystill::vision
