#pragma once

#include <cstdint>
#include <memory>

#include "vision/classifier.h"

namespace drystill::vision {

// Residual networks (He et al. 2016) for small images, 3x3 stem without pooling, global average, any image size.

// depth 18, 34 or 50 with widths 64 ... 512: the "CIFAR form" of DAFL and CMI
// (`datafree/models/classifiers/resnet.py`). State-dict names: conv1, bn1, layer1..4.{i}.{conv1, bn1, conv2, bn2,
// shortcut.0, shortcut.1}, linear.
std::shared_ptr<Classifier> make_resnet_cifar(std::int64_t depth, const ImageSpec& image);

// depth 6n + 2 with widths 16, 32, 64: the original CIFAR networks in RepDistiller's form (`models/resnet.py`).
// State-dict names: conv1, bn1, layer1..3.{i}.{conv1, bn1, conv2, bn2, downsample.0, downsample.1}, fc.
std::shared_ptr<Classifier> make_resnet_small(std::int64_t depth, const ImageSpec& image);

}  // namespace drystill::vision
