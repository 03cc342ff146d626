#pragma once

#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/types.h>

#include "kernels/cuda/storage.h"

namespace drystill::kernels::cuda {

// Makes the tensor's device current for the scope and names its stream.
struct DeviceContext {
  explicit DeviceContext(const torch::Tensor& tensor)
      : guard(tensor.device()), stream(c10::cuda::getCurrentCUDAStream(tensor.device().index())) {
    C10_CUDA_CHECK(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, tensor.device().index()));
  }

  c10::cuda::CUDAGuard guard;
  cudaStream_t stream;
  int multiprocessors = 0;
};

inline Storage storage_of(const torch::Tensor& tensor) {
  return tensor.scalar_type() == torch::kBFloat16 ? Storage::kBFloat16 : Storage::kFloat32;
}

}  // namespace drystill::kernels::cuda
