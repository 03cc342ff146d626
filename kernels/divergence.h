#pragma once

#include <torch/types.h>

#include "kernels/options.h"

namespace drystill::kernels {

// Per-sample divergence between two batches of logits -> [N]; differentiable with respect to both.
//
// student_logits, teacher_logits: [N, C], same shape, type and device. float32, bfloat16 and float16 compute and return
// float32; float64 returns float64 (by composed operators).
// row_weights: [N] or undefined; multiplies the loss of each row. Rows of weight 0 are skipped: their loss and gradient
// are exactly 0 whatever they hold. The weights are constants (InputError when they require a gradient).
//
// With p = softmax(student / T), q = softmax(teacher / T), both taken in log space, and f = T^2 when
// options.scale_by_temperature_squared (else 1):
//   kl          f sum_c q (log q - log p)
//   reverse_kl  f sum_c p (log p - log q)
//   js          1/2 sum_c m' (log m' - log p') + 1/2 sum_c m' (log m' - log q'), m = (p + q) / 2, where ' clamps to
//               [0.01, 0.99]; no factor f. The arguments are swapped with respect to the textbook and nothing is
//               renormalised: this is `jsdiv` of the published code (CMI, `datafree/criterions.py`), kept as is.
//   l1, mse     mean over classes of |s - t|, (s - t)^2 on the logits themselves
//
// The forward pass also computes the gradient rows that will be asked for, while the row is in cache.
// Throws InputError for shapes, types or devices that do not fit, ConfigError for a temperature that is not positive.
// Gradients of the gradient are refused (RunError).
torch::Tensor divergence(const torch::Tensor& student_logits, const torch::Tensor& teacher_logits,
                         const DivergenceOptions& options, const torch::Tensor& row_weights = {});

// 1 where student and teacher choose the same class, else 0 -> [N], float32, without gradient. The decision mask of
// CMI, FastDFKD, NAYER and CuDFKD: pass it as `row_weights`.
torch::Tensor agreement_mask(const torch::Tensor& student_logits, const torch::Tensor& teacher_logits);

}  // namespace drystill::kernels
