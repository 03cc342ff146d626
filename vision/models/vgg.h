#pragma once

#include <cstdint>
#include <memory>

#include "vision/classifier.h"

namespace drystill::vision {

// VGG with batch norm (Simonyan and Zisserman 2015) in RepDistiller's form (`models/vgg.py`), which CMI calls "vgg11"
// and so on. depth 8, 11, 13, 16 or 19. Images of at least 8x8 pixels (ConfigError otherwise); images 64 pixels high
// are pooled once more. State-dict names: block0..4.{0, 1, 3, 4, ...} (convolution, batch norm, [ReLU,] ...),
// classifier.
std::shared_ptr<Classifier> make_vgg(std::int64_t depth, const ImageSpec& image);

}  // namespace drystill::vision
