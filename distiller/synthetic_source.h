#pragma once

#include <memory>

#include "curriculum/replay_bank.h"
#include "distiller/loop.h"
#include "generator/synthesizer.h"
#include "vision/augment.h"
#include "vision/options.h"

namespace drystill::distiller {

struct SyntheticSourceOptions {
  std::int64_t batch = 256;
  std::int64_t student_steps_per_generator_step = 10;
  std::int64_t generator_batch = 0;  // 0: `batch`
  bool reuse_generator_batch = false;
  vision::AugmentOptions augment;
  curriculum::ReplayOptions replay;
};

// Student batches without data: every n-th step the synthesizer improves; each batch is fresh samples plus, once the
// bank holds a batch, samples that come back. Bank samples are uint8 images.
class SyntheticSource final : public InputSource {
 public:
  SyntheticSource(const SyntheticSourceOptions& options, generator::Synthesizer& synthesizer,
                  const vision::ImageSpec& image, torch::Device device, torch::ScalarType dtype, SeedStreams& seeds);

  Batch next(const curriculum::StagePlan& plan) override;
  void observe(const Batch& batch, const StepReport& report) override;
  Metrics take_metrics() override;
  void save(StateWriter writer) const override;
  void load(const StateReader& reader) override;

 private:
  SyntheticSourceOptions options_;
  generator::Synthesizer& synthesizer_;
  vision::Normaliser normalise_;
  torch::ScalarType dtype_;
  torch::Device device_;
  at::Generator augmentation_;
  at::Generator replay_draws_;
  curriculum::ReplayBank bank_;
  Metrics newest_terms_;
};

}  // namespace drystill::distiller
