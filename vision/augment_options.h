#pragma once

#include <cstdint>

#include "core/fields.h"

namespace drystill::vision {

// The usual augmentation of small images: a random crop out of the image with a border of zeros, a mirror image for
// every second one, and mixtures of two images, for learners whose targets are a teacher's answers.
struct AugmentOptions {
  std::int64_t crop_padding = 4;
  bool flip = true;
  double mixup = 0;

  template <class Field>
  void visit(Field&& field) {
    field("crop_padding", crop_padding, "zeros around the image before the random crop, in pixels; 0: no crop",
          between(0, 1024));
    field("flip", flip, "mirror half of the images, chosen at random");
    field("mixup", mixup,
          "share of the images that are blended with another of the batch; the teacher labels the blend",
          between(0, 1));
  }
  bool any() const { return crop_padding > 0 || flip || mixup > 0; }
  bool operator==(const AugmentOptions&) const = default;
};

}  // namespace drystill::vision
