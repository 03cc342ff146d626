#pragma once

#include <cstdint>

#include "core/fields.h"

namespace drystill::vision {

// The usual augmentation of small images: a random crop out of the image with a border of zeros, and a mirror image for
// every second one.
struct AugmentOptions {
  std::int64_t crop_padding = 4;
  bool flip = true;

  template <class Field>
  void visit(Field&& field) {
    field("crop_padding", crop_padding, "zeros around the image before the random crop, in pixels; 0: no crop",
          between(0, 1024));
    field("flip", flip, "mirror half of the images, chosen at random");
  }
  bool operator==(const AugmentOptions&) const = default;
};

}  // namespace drystill::vision
