# Resolves DRYSTILL_CUDA=AUTO once into DRYSTILL_HAS_CUDA, and defines torch::cuda.
set(DRYSTILL_HAS_CUDA OFF)
if(DRYSTILL_CUDA STREQUAL "ON")
  set(DRYSTILL_HAS_CUDA ON)
elseif(DRYSTILL_CUDA STREQUAL "AUTO")
  # A program linked with CUDA cannot start where the driver or the CUDA wheels (cuDNN, cuBLAS, NCCL ...) are absent.
  find_program(_nvcc nvcc PATHS /usr/local/cuda/bin)
  if(_nvcc AND EXISTS /proc/driver/nvidia/version AND EXISTS "${DRYSTILL_LIBTORCH_ROOT}/lib/libtorch_cuda.so")
    execute_process(COMMAND ldd "${DRYSTILL_LIBTORCH_ROOT}/lib/libtorch_cuda.so" OUTPUT_VARIABLE _needed ERROR_QUIET)
    if(_needed MATCHES "([^ \t\n]+) => not found")
      message(STATUS "CUDA stays off: LibTorch lacks ${CMAKE_MATCH_1}. For a program that runs on the GPU, install the "
                     "whole wheel (pip install torch==${DRYSTILL_TORCH_VERSION}) and pass its folder as DRYSTILL_LIBTORCH")
    else()
      set(DRYSTILL_HAS_CUDA ON)
    endif()
  endif()
endif()
message(STATUS "CUDA kernels: ${DRYSTILL_HAS_CUDA}")

if(DRYSTILL_HAS_CUDA)
  if(NOT CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 80 86 89 90 100 120)
  endif()
  if(NOT CMAKE_CUDA_COMPILER AND EXISTS /usr/local/cuda/bin/nvcc)
    set(CMAKE_CUDA_COMPILER /usr/local/cuda/bin/nvcc)
  endif()
  # Left alone, the CUDA standard follows CMAKE_CXX_STANDARD, and CMake 3.25 refuses "CUDA20" for nvcc 13. Not required, it
  # is dropped without a word: the kernels room passes -std=c++20 itself.
  set(CMAKE_CUDA_STANDARD_REQUIRED OFF)
  enable_language(CUDA)
  find_package(CUDAToolkit REQUIRED)
  add_library(torch_cuda INTERFACE IMPORTED GLOBAL)
  add_library(torch::cuda ALIAS torch_cuda)
  target_link_libraries(torch_cuda INTERFACE torch::cpu CUDA::cudart)
  # --no-as-needed: nothing of ours names a symbol of libtorch_cuda, its static initialisers register the CUDA device.
  target_link_options(torch_cuda INTERFACE "-Wl,--no-as-needed,${DRYSTILL_LIBTORCH_ROOT}/lib/libtorch_cuda.so,\
${DRYSTILL_LIBTORCH_ROOT}/lib/libc10_cuda.so,--as-needed")
endif()
