#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "kernels/cuda/storage.h"
#include "kernels/options.h"

// Launcher for kernels/divergence_parts.h on raw device pointers: no LibTorch. Returns at once; errors are left for
// cudaGetLastError.
namespace drystill::kernels::cuda {

struct DivergenceArrays {
  const void* student;      // [N, C]
  const void* teacher;      // [N, C]
  Storage storage;          // of both
  const float* weights;     // [N] or null
  float* loss;              // [N]
  float* student_gradient;  // [N, C] or null
  float* teacher_gradient;  // [N, C] or null
  std::int64_t rows, classes;
  DivergenceKind kind;
  float inverse_temperature;
  float factor;  // f of kernels/divergence.h
};

void launch_divergence(const DivergenceArrays& arrays, cudaStream_t stream);

}  // namespace drystill::kernels::cuda
