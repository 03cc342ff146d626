#include "vision/datasets/memory_images.h"

#include <ATen/ops/index_select.h>
#include <ATen/ops/zeros.h>

#include <optional>
#include <utility>

#include "core/error.h"

namespace drystill::vision {
namespace {

class MemoryStream : public BatchStream {
 public:
  MemoryStream(std::shared_ptr<const ImageSource> owner, const LabelledImages& all, torch::Tensor order,
               std::int64_t batch)
      : owner_(std::move(owner)), all_(all), order_(std::move(order)), batch_(batch) {}

  std::optional<LabelledImages> next() override {
    if (position_ >= order_.size(0)) return std::nullopt;
    const torch::Tensor chosen = order_.slice(0, position_, position_ + batch_);
    position_ += chosen.size(0);
    return LabelledImages{at::index_select(all_.images, 0, chosen), at::index_select(all_.labels, 0, chosen)};
  }

 private:
  std::shared_ptr<const ImageSource> owner_;
  const LabelledImages& all_;
  torch::Tensor order_;
  std::int64_t batch_;
  std::int64_t position_ = 0;
};

std::string shape_text(std::int64_t channels, std::int64_t height, std::int64_t width) {
  return std::to_string(channels) + " x " + std::to_string(height) + " x " + std::to_string(width);
}

}  // namespace

MemoryImages::MemoryImages(LabelledImages all) : all_(std::move(all)) {
  TORCH_CHECK(all_.images.dim() == 4 && all_.images.scalar_type() == torch::kByte && all_.labels.dim() == 1 &&
                  all_.labels.scalar_type() == torch::kLong && all_.images.size(0) == all_.labels.size(0) &&
                  all_.labels.size(0) > 0,
              "[vision.MemoryImages] expected images [N, C, H, W] uint8 and labels [N] int64 with N > 0, got ",
              all_.images.sizes(), " ", all_.images.scalar_type(), " and ", all_.labels.sizes(), " ",
              all_.labels.scalar_type());
}

std::unique_ptr<BatchStream> MemoryImages::stream(torch::Tensor order, std::int64_t batch) const {
  return std::make_unique<MemoryStream>(shared_from_this(), all_, std::move(order), batch);
}

torch::Tensor fit_images(const torch::Tensor& images, const ExpectedImages& expected, const std::string& path) {
  const std::int64_t channels = images.size(1), height = images.size(2), width = images.size(3);
  if (channels != expected.channels || height > expected.height || width > expected.width) {
    throw InputError(path + ": expected images of at most " +
                     shape_text(expected.channels, expected.height, expected.width) +
                     " (channels x height x width), got " + shape_text(channels, height, width) +
                     "; choose a model with this input size, or another dataset");
  }
  if (height == expected.height && width == expected.width) return images;
  torch::Tensor fitted = at::zeros({images.size(0), channels, expected.height, expected.width}, images.options());
  const std::int64_t top = (expected.height - height) / 2, left = (expected.width - width) / 2;
  fitted.slice(2, top, top + height).slice(3, left, left + width).copy_(images);
  return fitted;
}

void check_labels(const torch::Tensor& labels, std::int64_t classes, const std::string& path) {
  const std::int64_t* values = labels.const_data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < labels.size(0); ++i) {
    if (values[i] >= 0 && values[i] < classes) continue;
    throw InputError(path + ": sample " + std::to_string(i) + " has label " + std::to_string(values[i]) +
                     ", expected 0 to " + std::to_string(classes - 1) +
                     "; the model's class count does not fit this dataset");
  }
}

}  // namespace drystill::vision
