#pragma once

#include <cstdint>
#include <memory>

#include "vision/classifier.h"

namespace drystill::vision {

// Wide residual networks (Zagoruyko and Komodakis 2016), pre-activation, no dropout, in the form of ZSKT and CMI
// (`datafree/models/classifiers/wresnet.py`). depth 6n + 4, widths 16k, 32k, 64k for widening factor k; any image size.
// State-dict names: conv1, block1..3.layer.{i}.{bn1, conv1, bn2, conv2, convShortcut}, bn1, fc.
std::shared_ptr<Classifier> make_wide_resnet(std::int64_t depth, std::int64_t factor, const ImageSpec& image);

}  // namespace drystill::vision
