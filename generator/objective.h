#pragma once

#include <torch/types.h>

#include "generator/options.h"

namespace drystill::generator {

// The terms of the generator's objective, each a scalar to be minimised, in fp32. teacher, student [N, C] are logits.
// Sources: DAFL (arXiv 1904.01186), CuDFKD (arXiv 2208.13648), CMI's datafree/criterions.py for the exact forms.

// Cross-entropy of the teacher's prediction with its own argmax: images the teacher is sure about.
torch::Tensor one_hot_loss(const torch::Tensor& teacher);

// Negative entropy of the batch's mean prediction, sum_c p_c ln p_c with p = mean_b softmax(teacher / T): every class
// appears. Between -ln C and 0.
torch::Tensor class_balance_loss(const torch::Tensor& teacher, double temperature);

// Minus the mean absolute feature: images that excite the teacher. features [N, F].
torch::Tensor activation_loss(const torch::Tensor& features);

// Mean absolute differences of neighbours in four directions (vertical, horizontal, both diagonals), summed.
// pixels [N, C, H, W].
torch::Tensor total_variation_loss(const torch::Tensor& pixels);

// The adversarial term: low where teacher and student disagree.
//   kl  -mean_b T^2 KL(teacher || student)      js  1 - clamp(mean_b JS, 0, 1)      l1  -mean_b mean_c |student -
//   teacher|
// With `only_where_they_agree`, samples on which the two predict different classes count as 0 (kl and l1).
torch::Tensor adversarial_loss(const torch::Tensor& student, const torch::Tensor& teacher,
                               const ObjectiveOptions& options);

}  // namespace drystill::generator
