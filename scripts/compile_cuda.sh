#!/usr/bin/env bash
# Compiles and links the kernels, their tests and benchmarks, and the program with CUDA on. Needs nvcc, no GPU; nothing is
# run.
# One architecture stands for all: what this proves is that the code compiles and links.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

nvcc=$(command -v nvcc || true)
[[ -z $nvcc && -x /usr/local/cuda/bin/nvcc ]] && nvcc=/usr/local/cuda/bin/nvcc
if [[ -z $nvcc ]]; then
  echo "NOTICE: there is no nvcc on this machine: the CUDA code was NOT compiled"
  exit 0
fi

export DRYSTILL_CMAKE_ARGS="-DCMAKE_CUDA_COMPILER=$nvcc -DCMAKE_CUDA_ARCHITECTURES=${DRYSTILL_CUDA_ARCHITECTURES:-90}"
scripts/build.sh cuda-compile drystill_kernels_test drystill_kernels_cuda_test drystill_kernels_cuda_bench drystill
