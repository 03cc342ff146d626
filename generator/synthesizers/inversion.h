#pragma once

#include <vector>

#include "generator/image_objective.h"
#include "generator/synthesizer.h"
#include "vision/augment.h"

namespace drystill::generator {

// Makes images one batch at a time by optimising their pixels in [0, 1], without a network: DeepInversion (arXiv
// 1912.08795) with its batch-norm term, ZSKD's data impressions (arXiv 1905.08114) with Dirichlet targets. Every batch
// starts anew, so the images stay as varied as their starts: there is no generator that could collapse.
class InversionSynthesizer final : public Synthesizer {
 public:
  // Throws ConfigError where Dirichlet targets are asked for and the teacher ends in no linear layer.
  InversionSynthesizer(const InversionOptions& options, Models models, SeedStreams& seeds);

  // A new batch, all its optimizer steps. The report is of the last step, its images and logits of the finished images.
  SynthesisReport improve(const SynthesisRequest& request) override;
  // The newest batch in random order, each image once before any comes again; before the first batch, starts.
  torch::Tensor sample(std::int64_t count) override;
  std::int64_t images_made() const override { return images_made_; }
  void save(StateWriter writer) const override;
  void load(const StateReader& reader) override;
  std::vector<std::string> notices() const override { return objective_.notices(); }

 private:
  torch::Tensor start(std::int64_t count);
  torch::Tensor targets(std::int64_t count);  // undefined where there are none

  InversionOptions options_;
  Models models_;
  ImageObjective objective_;
  vision::Normaliser normalise_;
  at::Generator random_;      // on the CPU: starts, targets, augmentation and order are the same on every device
  torch::Tensor similarity_;  // of the classes; only for Dirichlet targets
  torch::Tensor newest_;      // [M, C, H, W]; undefined before the first batch
  std::int64_t next_ = 0;     // the first of `newest_` that was not handed out
  std::int64_t images_made_ = 0;
};

}  // namespace drystill::generator
