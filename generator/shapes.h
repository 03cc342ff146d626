#pragma once

#include <ATen/core/Generator.h>
#include <torch/types.h>

#include <cstdint>

namespace drystill::generator {

// Images from no data at all: one to four ellipses, rectangles and convex polygons over one another on black, each of
// one brightness or of smooth noise, a few of them black. Networks that recognise real images answer such shapes with
// some variety, where they answer noise with none; after procedural training images ("Learning to See by Looking at
// Noise", arXiv 2106.05963, whose dead leaves fill the picture; these leave a background). Returns [count, channels,
// height, width] in [0, 1] on the CPU; edges are smooth over one pixel.
torch::Tensor draw_shapes(std::int64_t count, std::int64_t channels, std::int64_t height, std::int64_t width,
                          at::Generator random);

}  // namespace drystill::generator
