#pragma once

#include <ATen/core/Generator.h>
#include <torch/types.h>

#include <cstdint>

#include "vision/classifier.h"

namespace drystill::generator {

// Targets for images that are made to order, rows that sum to 1: [count, classes] on the CPU. Row i is of class i mod
// classes.
torch::Tensor class_targets(std::int64_t count, std::int64_t classes);

// How alike the classes look to the model: cosines between the rows of its last linear layer, each row scaled to span 0
// to 1. [classes, classes], float32, on the CPU. Zero-Shot Knowledge Distillation (arXiv 1905.08114), section 3.2.
// Throws ConfigError where the model has no linear layer with a row a class.
torch::Tensor class_similarity(const vision::Classifier& model, std::int64_t classes);

// Soft targets drawn from Dirichlet(beta * similarity of the class), with beta 1 or 0.1 with equal chance (the same
// paper's section 3.2 and its figures): flat ones and peaked ones.
torch::Tensor dirichlet_targets(const torch::Tensor& similarity, std::int64_t count, at::Generator random);

// T times the cross-entropy of softmax(logits / T) against `targets`, mean over the batch. The factor makes the
// gradient p - y whatever T is. logits, targets [N, classes]; a scalar in float32.
torch::Tensor target_loss(const torch::Tensor& logits, const torch::Tensor& targets, double temperature);

}  // namespace drystill::generator
