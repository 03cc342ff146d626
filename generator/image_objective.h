#pragma once

#include <torch/types.h>

#include <string>
#include <utility>
#include <vector>

#include "generator/synthesizer.h"

namespace drystill::generator {

// The objective's value on a batch of images, with its graph.
struct ObjectiveValue {
  torch::Tensor loss;                                        // [], the weighted sum; undefined while there is no term
  std::vector<std::pair<std::string, torch::Tensor>> terms;  // each [], unweighted and without graph
  torch::Tensor teacher_logits;                              // [N, classes]

  void add(const char* name, double weight, const torch::Tensor& term);
  // ConfigError where there is none: nothing would be learnt.
  void require_a_term() const;
};

// The terms of generator/objective.h, each with its weight, of images that a network or their own pixels stand behind:
// one teacher forward that serves every term, one student forward where the adversarial weight is not 0. Gradients
// reach the images alone: neither model's parameters take any.
class ImageObjective {
 public:
  ImageObjective(const ObjectiveOptions& weights, bool student_in_eval_mode, Models models);

  // images [N, C, H, W], as they were made; normalised: the same as the models take them.
  ObjectiveValue evaluate(const torch::Tensor& images, const torch::Tensor& normalised,
                          double adversarial_weight) const;

  // Sentences a user should see once: a term that this teacher cannot serve.
  std::vector<std::string> notices() const;

 private:
  ObjectiveOptions weights_;
  bool student_in_eval_mode_;
  Models models_;
  bool teacher_has_batch_norm_ = false;
};

}  // namespace drystill::generator
