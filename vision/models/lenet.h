#pragma once

#include <memory>

#include "vision/classifier.h"

namespace drystill::vision {

// LeNet-5 (LeCun et al. 1998) in the form of DAFL (`DAFL/lenet.py`): ReLU, 2x2 max pooling, no batch norm. Widths
// 6, 16, 120, 84, or half of them. Images must be 32x32 (ConfigError otherwise): the third convolution eats all of 5x5.
// State-dict names: conv1, conv2, conv3, fc1, fc2.
std::shared_ptr<Classifier> make_lenet5(bool half, const ImageSpec& image);

}  // namespace drystill::vision
