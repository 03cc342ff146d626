#pragma once

#include "core/optimizer.h"
#include "generator/networks/network.h"
#include "generator/synthesizer.h"
#include "vision/augment.h"

namespace drystill::generator {

// A network trained beside the student by one objective (generator/objective.h). One step: fresh latents, one generator
// forward, one teacher forward that serves every term, one student forward where the adversarial weight is not 0.
class GenerativeSynthesizer final : public Synthesizer {
 public:
  GenerativeSynthesizer(const GenerativeOptions& options, Models models, SeedStreams& seeds);

  // The first call runs the warm-up steps before its own.
  SynthesisReport improve(const SynthesisRequest& request) override;
  torch::Tensor sample(std::int64_t count) override;
  void save(StateWriter writer) const override;
  void load(const StateReader& reader) override;
  std::vector<std::string> notices() const override;

  Network& network() { return *network_; }

 private:
  SynthesisReport step(const SynthesisRequest& request);
  torch::Tensor latent(std::int64_t count);

  GenerativeOptions options_;
  Models models_;
  vision::Normaliser normalise_;
  at::Generator latents_;
  std::shared_ptr<Network> network_;
  Optimizer optimizer_;
  bool teacher_has_batch_norm_ = false;
  bool warmed_up_ = false;
};

}  // namespace drystill::generator
