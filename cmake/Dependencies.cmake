# Every third-party library, found once. All come from the distribution except LibTorch (cmake/LibTorch.cmake).
include(LibTorch)
include(CudaSupport)
include(Libraries)

find_path(XXHASH_INCLUDE_DIR xxhash.h REQUIRED)  # used as a header only
if(DRYSTILL_BUILD_TESTS)
  find_package(GTest REQUIRED)
endif()
if(DRYSTILL_BUILD_BENCH)
  find_package(benchmark REQUIRED)
endif()
