#pragma once

#include <cstdint>
#include <string>

#include "vision/datasets/dataset.h"

namespace drystill::vision {

// Reads a PNG, JPEG or BMP file and writes it, brought to the expected size and number of channels, as planes
// [C, H, W] (RGB or grey) to `pixels`. No torch in here: it runs on worker threads. Throws InputError naming the file.
void decode_image(const std::string& path, const ExpectedImages& expected, Resize resize, std::uint8_t* pixels);

}  // namespace drystill::vision
