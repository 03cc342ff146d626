#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "distiller/loop.h"
#include "tests/support/tiny_image.h"
#include "vision/classifier.h"
#include "vision/datasets/dataset.h"

namespace drystill::distiller::testing {

using drystill::testing::tiny_image;

// A dataset held in memory, made by the test.
class FixedImages final : public vision::ImageSource {
 public:
  FixedImages(torch::Tensor images, torch::Tensor labels) : images_(std::move(images)), labels_(std::move(labels)) {}

  std::int64_t size() const override { return images_.size(0); }
  std::unique_ptr<vision::BatchStream> stream(torch::Tensor order, std::int64_t batch) const override {
    return std::make_unique<Stream>(*this, std::move(order), batch);
  }

 private:
  class Stream final : public vision::BatchStream {
   public:
    Stream(const FixedImages& source, torch::Tensor order, std::int64_t batch)
        : source_(source), order_(std::move(order)), batch_(batch) {}
    std::optional<vision::LabelledImages> next() override {
      if (position_ >= order_.size(0)) return std::nullopt;
      const auto count = std::min(batch_, order_.size(0) - position_);
      const auto index = order_.narrow(0, position_, count);
      position_ += count;
      return vision::LabelledImages{source_.images_.index_select(0, index), source_.labels_.index_select(0, index)};
    }

   private:
    const FixedImages& source_;
    torch::Tensor order_;
    std::int64_t batch_;
    std::int64_t position_ = 0;
  };

  torch::Tensor images_;
  torch::Tensor labels_;
};

// A linear classifier over the 4 x 4 average-pooled image: fast, and its answers can be computed by hand.
class LinearClassifier final : public vision::Classifier {
 public:
  explicit LinearClassifier(at::Generator generator) : Classifier(tiny_image()) {
    weight = register_parameter("weight", torch::randn({10, 16}, generator, torch::TensorOptions()));
  }
  Output forward(const torch::Tensor& images) override {
    const auto features = at::avg_pool2d(images, {8, 8}).flatten(1);
    return {features.matmul(weight.t()), features};
  }
  torch::Tensor weight;
};

}  // namespace drystill::distiller::testing
