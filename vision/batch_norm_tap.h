#pragma once

#include <utility>

#include "vision/classifier.h"

namespace drystill::vision {

// Arms every batch norm of a classifier for the life of this object:
//   BatchNormTap tap(teacher, [&](const torch::Tensor& input, const BatchNorm2d& layer) { ... });
//   teacher.forward(images);
// Armed layers run unfused, since a folded batch norm has no input to look at.
class BatchNormTap {
 public:
  BatchNormTap(Classifier& classifier, BatchNorm2d::Tap tap) : classifier_(classifier) {
    classifier_.visit_batch_norms([&](BatchNorm2d& layer) { layer.arm(tap); });
  }
  ~BatchNormTap() {
    classifier_.visit_batch_norms([](BatchNorm2d& layer) { layer.disarm(); });
  }
  BatchNormTap(const BatchNormTap&) = delete;
  BatchNormTap& operator=(const BatchNormTap&) = delete;

 private:
  Classifier& classifier_;
};

}  // namespace drystill::vision
