#pragma once

#include "vision/options.h"

namespace drystill::testing {

// The input of the tests' image classifiers: one channel, ten classes, the smallest picture that all of them take.
inline vision::ImageSpec tiny_image() {
  vision::ImageSpec spec;
  spec.channels = 1;
  spec.height = spec.width = 32;
  spec.classes = 10;
  spec.mean = {0.3};
  spec.stddev = {0.4};
  return spec;
}

}  // namespace drystill::testing
