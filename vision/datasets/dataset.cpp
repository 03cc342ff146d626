#include "vision/datasets/dataset.h"

#include <ATen/ops/arange.h>

namespace drystill::vision {

std::unique_ptr<BatchStream> ImageSource::in_order(std::int64_t batch) const {
  return stream(at::arange(size(), torch::kLong), batch);
}

}  // namespace drystill::vision
