#pragma once

#include <torch/types.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/seeds.h"
#include "core/state.h"
#include "generator/options.h"
#include "vision/classifier.h"
#include "vision/options.h"

namespace drystill::generator {

// What one improvement should aim at: the curriculum's plan in this room's words.
struct SynthesisRequest {
  std::int64_t batch = 0;
  double adversarial_weight = 0;
};

// What it measured. Tensors stay on the device: reading a number waits for it.
struct SynthesisReport {
  torch::Tensor loss;                                        // []
  std::vector<std::pair<std::string, torch::Tensor>> terms;  // each [], unweighted
  torch::Tensor images;                                      // [N, C, H, W], as of sample(): the batch it trained on
  torch::Tensor teacher_logits;                              // [N, C] for those images
};

// How a batch of inputs is made. DAFL, CuDFKD, DeepInversion, CMI, Fast and NAYER differ only here.
class Synthesizer {
 public:
  virtual ~Synthesizer() = default;
  virtual SynthesisReport improve(const SynthesisRequest& request) = 0;
  // Fresh images [count, C, H, W] without gradient, black 0 and white 1. A network whose last layer is a batch norm
  // (DAFL's) is not bounded, as published: its images may leave [0, 1], and models see them as they are.
  virtual torch::Tensor sample(std::int64_t count) = 0;
  // Images made so far, whether anyone took them or not.
  virtual std::int64_t images_made() const = 0;
  virtual void save(StateWriter writer) const = 0;
  virtual void load(const StateReader& reader) = 0;
  // Sentences a user should see once: a term that this teacher cannot serve, say.
  virtual std::vector<std::string> notices() const { return {}; }
};

// What every synthesizer works with. The teacher is frozen; the student's parameters are never touched.
struct Models {
  std::shared_ptr<vision::Classifier> teacher;
  std::shared_ptr<vision::Classifier> student;
  vision::ImageSpec image;
  torch::Device device = torch::kCPU;
  bool channels_last = false;
  torch::ScalarType dtype = torch::kFloat32;  // of activations; weights and losses stay float32
};

std::unique_ptr<Synthesizer> make_synthesizer(const SynthesizerOptions& options, Models models, SeedStreams& seeds);

}  // namespace drystill::generator
