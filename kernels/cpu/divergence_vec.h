#pragma once

#include <c10/util/BFloat16.h>

#include <cstdint>

#include "kernels/options.h"

// Inner loops of the divergence on raw pointers; divergence_vec.cpp is compiled for AVX2 + FMA, see
// kernels/cpu/batch_statistics_vec.h for what that implies.
namespace drystill::kernels::cpu {

template <class Scalar>
struct LogitRows {
  const Scalar* student;    // [N, C]
  const Scalar* teacher;    // [N, C]
  const float* weights;     // [N] or null
  float* loss;              // [N]
  float* student_gradient;  // [N, C] or null
  float* teacher_gradient;  // [N, C] or null
  std::int64_t classes;     // C
  DivergenceKind kind;
  float inverse_temperature;
  float factor;  // f of kernels/divergence.h
};

// Floats of scratch that evaluate_rows needs.
std::int64_t row_scratch_floats(std::int64_t classes);

// Loss and gradients of rows [begin, end).
template <class Scalar>
void evaluate_rows(const LogitRows<Scalar>& rows, std::int64_t begin, std::int64_t end, float* scratch);

extern template void evaluate_rows(const LogitRows<float>&, std::int64_t, std::int64_t, float*);
extern template void evaluate_rows(const LogitRows<c10::BFloat16>&, std::int64_t, std::int64_t, float*);

}  // namespace drystill::kernels::cpu
