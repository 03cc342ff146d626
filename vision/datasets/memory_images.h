#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "vision/datasets/dataset.h"

namespace drystill::vision {

// A split small enough to be held decoded: IDX and CIFAR files, and made-up images in tests.
class MemoryImages : public ImageSource {
 public:
  // `all.images` must be [N, C, H, W] uint8 and `all.labels` [N] int64, N at least 1.
  explicit MemoryImages(LabelledImages all);

  std::int64_t size() const override { return all_.labels.size(0); }
  std::unique_ptr<BatchStream> stream(torch::Tensor order, std::int64_t batch) const override;
  const LabelledImages& all() const { return all_; }

 private:
  LabelledImages all_;
};

// Adds a border of zeros, the same on both sides (one more at the bottom or right where the difference is odd).
// images: [N, C, h, w] -> [N, C, expected.height, expected.width]. Throws InputError, naming `path`, where the raw
// images are larger or have another number of channels.
torch::Tensor fit_images(const torch::Tensor& images, const ExpectedImages& expected, const std::string& path);

// Throws InputError, naming `path` and the first such sample, where a label is not below `classes`. labels: [N] int64.
void check_labels(const torch::Tensor& labels, std::int64_t classes, const std::string& path);

}  // namespace drystill::vision
