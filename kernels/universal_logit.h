#pragma once

#include <torch/types.h>

namespace drystill::kernels {

// Universal logit distillation (Boizard et al. 2402.12030): the L1 distance between the sorted probabilities of student
// and teacher, for vocabularies that have nothing in common -> [M], float32 (float64), times row_weights;
// differentiable with respect to the student.
//
// student_logits: [M, V_S], teacher_logits: [M, V_T] (a constant, detached); the smaller vocabulary is padded with
// probabilities of 0. temperature > 0 divides both (ConfigError). row_weights: [M] or undefined; rows of weight 0 are
// not read. InputError for shapes and devices that do not fit.
torch::Tensor universal_logit_distance(const torch::Tensor& student_logits, const torch::Tensor& teacher_logits,
                                       double temperature = 1, const torch::Tensor& row_weights = {});

}  // namespace drystill::kernels
