#pragma once

#include "core/optimizer.h"
#include "generator/image_objective.h"
#include "generator/networks/network.h"
#include "generator/synthesizer.h"
#include "vision/augment.h"

namespace drystill::generator {

// A network trained beside the student by one objective (generator/image_objective.h). One step: fresh latents, one
// forward of each model that the objective needs, one backward.
class GenerativeSynthesizer final : public Synthesizer {
 public:
  GenerativeSynthesizer(const GenerativeOptions& options, Models models, SeedStreams& seeds);

  // The first call runs the warm-up steps before its own.
  SynthesisReport improve(const SynthesisRequest& request) override;
  torch::Tensor sample(std::int64_t count) override;
  std::int64_t images_made() const override { return images_made_; }
  void save(StateWriter writer) const override;
  void load(const StateReader& reader) override;
  std::vector<std::string> notices() const override;

  Network& network() { return *network_; }

 private:
  SynthesisReport step(const SynthesisRequest& request);
  torch::Tensor latent(std::int64_t count);
  torch::Tensor in_unit_range(const torch::Tensor& output) const;

  GenerativeOptions options_;
  Models models_;
  ImageObjective objective_;
  vision::Normaliser normalise_;
  at::Generator latents_;
  at::Generator augmentation_;  // undefined where nothing is augmented
  std::shared_ptr<Network> network_;
  Optimizer optimizer_;
  std::int64_t warmup_left_ = 0;
  std::int64_t images_made_ = 0;
};

}  // namespace drystill::generator
