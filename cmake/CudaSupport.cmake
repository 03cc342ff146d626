# Resolves DRYSTILL_CUDA=AUTO once into DRYSTILL_HAS_CUDA, and defines torch::cuda.
set(DRYSTILL_HAS_CUDA OFF)
if(DRYSTILL_CUDA STREQUAL "ON")
  set(DRYSTILL_HAS_CUDA ON)
elseif(DRYSTILL_CUDA STREQUAL "AUTO")
  # A program linked with CUDA cannot start where the CUDA wheels or the driver are absent.
  find_program(_nvcc nvcc PATHS /usr/local/cuda/bin)
  if(_nvcc AND EXISTS /proc/driver/nvidia/version AND EXISTS "${DRYSTILL_LIBTORCH_ROOT}/lib/libtorch_cuda.so")
    set(DRYSTILL_HAS_CUDA ON)
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
  enable_language(CUDA)
  find_package(CUDAToolkit REQUIRED)
  add_library(torch_cuda INTERFACE IMPORTED GLOBAL)
  add_library(torch::cuda ALIAS torch_cuda)
  target_link_libraries(torch_cuda INTERFACE torch::cpu CUDA::cudart)
  # --no-as-needed: nothing of ours names a symbol of libtorch_cuda, its static initialisers register the CUDA device.
  target_link_options(torch_cuda INTERFACE "-Wl,--no-as-needed,${DRYSTILL_LIBTORCH_ROOT}/lib/libtorch_cuda.so,\
${DRYSTILL_LIBTORCH_ROOT}/lib/libc10_cuda.so,--as-needed" "-Wl,--unresolved-symbols=ignore-all")
endif()
