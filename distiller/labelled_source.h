#pragma once

#include <memory>

#include "distiller/loop.h"
#include "vision/augment.h"
#include "vision/datasets/dataset.h"
#include "vision/options.h"

namespace drystill::distiller {

// Shuffled, augmented batches of real images with labels: for teachers and labelled comparisons, never for a data-free
// run. Every epoch sees each image once; the rest that does not fill a batch is left out.
class LabelledSource final : public InputSource {
 public:
  LabelledSource(std::shared_ptr<const vision::ImageSource> images, const vision::ImageSpec& image,
                 const vision::AugmentOptions& augment, std::int64_t batch, torch::Device device,
                 torch::ScalarType dtype, SeedStreams& seeds);

  Batch next(const curriculum::StagePlan& plan) override;
  void save(StateWriter writer) const override;
  void load(const StateReader& reader) override;

 private:
  std::shared_ptr<const vision::ImageSource> images_;
  vision::Normaliser normalise_;
  vision::AugmentOptions augment_;
  std::int64_t batch_;
  torch::Device device_;
  torch::ScalarType dtype_;
  at::Generator shuffle_;
  at::Generator augmentation_;
  torch::Tensor order_;        // [N] int64: this epoch's permutation
  std::int64_t position_ = 0;  // images of it already seen
  std::unique_ptr<vision::BatchStream> stream_;
};

}  // namespace drystill::distiller
