#pragma once

#include <torch/types.h>

#include <memory>

#include "distiller/loop.h"
#include "vision/augment.h"
#include "vision/classifier.h"
#include "vision/datasets/dataset.h"
#include "vision/options.h"

namespace drystill::distiller {

// How good a student is on real held-out images, and how close to its teacher.
struct Evaluation {
  double accuracy = 0;          // share of images classified right
  double teacher_accuracy = 0;  // the same for the teacher; 0 without one
  double agreement = 0;         // share of images on which both predict the same class
  // Probability loyalty 1 - mean sqrt(JS(p_teacher, p_student)), JS in bits so that it spans [0, 1]
  // (Xu et al., Beyond Preserved Accuracy, EMNLP 2021; reported by CuDFKD).
  double loyalty = 0;
  std::int64_t images = 0;
  bool has_teacher = false;

  Metrics metrics() const;
};

// Runs the whole test set through a classifier, batch by batch, in eval mode; training mode is restored. The teacher's
// logits do not change: they are computed once.
class Evaluator {
 public:
  Evaluator(std::shared_ptr<const vision::ImageSource> test, const vision::ImageSpec& image, torch::Device device,
            std::int64_t batch = 500);

  Evaluation evaluate(vision::Classifier& student, vision::Classifier* teacher);

 private:
  torch::Tensor logits(vision::Classifier& model);  // [N, C] fp32, on the CPU; fills labels_ on the way

  std::shared_ptr<const vision::ImageSource> test_;
  vision::Normaliser normalise_;
  torch::Device device_;
  std::int64_t batch_;
  torch::Tensor labels_;
  torch::Tensor teacher_logits_;
};

}  // namespace drystill::distiller
