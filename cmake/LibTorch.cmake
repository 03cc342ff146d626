# LibTorch as an SDK: the PyPI wheel torch 2.11.0 laid out by scripts/fetch_libtorch.sh.
#
# The wheel's own TorchConfig.cmake is not used: it demands a CUDA toolkit even for a CPU build, and it resets
# CMAKE_CUDA_ARCHITECTURES. The imported targets below say exactly what we include and link.
#
#   torch::cpu    headers, libtorch_cpu, libc10
#   torch::cuda   adds libtorch_cuda, libc10_cuda (only when CUDA is on; cmake/CudaSupport.cmake)
set(DRYSTILL_TORCH_VERSION 2.11.0)

set(_cache "$ENV{DRYSTILL_CACHE}")
if(NOT _cache)
  set(_cache "$ENV{XDG_CACHE_HOME}")
  if(_cache)
    string(APPEND _cache "/drystill")
  else()
    set(_cache "$ENV{HOME}/.cache/drystill")
  endif()
endif()

# Where to look: what the user named, our cache, then an importable torch of the same version.
set(_hints ${DRYSTILL_LIBTORCH} ${CMAKE_PREFIX_PATH} "${_cache}/libtorch-${DRYSTILL_TORCH_VERSION}/torch")
find_package(Python3 QUIET COMPONENTS Interpreter)
if(Python3_Interpreter_FOUND)
  execute_process(
    COMMAND "${Python3_EXECUTABLE}" -c
            "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')"
    OUTPUT_VARIABLE _python_torch OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  list(APPEND _hints ${_python_torch})
endif()

set(DRYSTILL_LIBTORCH_ROOT "")
foreach(_hint IN LISTS _hints)
  set(_header "${_hint}/include/torch/headeronly/version.h")
  if(EXISTS "${_hint}/lib/libtorch_cpu.so" AND EXISTS "${_header}")
    file(STRINGS "${_header}" _lines REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
    string(REGEX MATCHALL "[0-9]+" _numbers "${_lines}")
    list(JOIN _numbers "." _version)
    if(_version VERSION_EQUAL DRYSTILL_TORCH_VERSION)
      set(DRYSTILL_LIBTORCH_ROOT "${_hint}")
      break()
    endif()
    message(STATUS "Passing over LibTorch ${_version} in ${_hint}: ${DRYSTILL_TORCH_VERSION} is needed")
  endif()
endforeach()
if(NOT DRYSTILL_LIBTORCH_ROOT)
  message(FATAL_ERROR "LibTorch ${DRYSTILL_TORCH_VERSION} was not found. Run scripts/fetch_libtorch.sh, or pass "
                      "-DDRYSTILL_LIBTORCH=<folder that holds include/ and lib/>.")
endif()
message(STATUS "LibTorch ${DRYSTILL_TORCH_VERSION}: ${DRYSTILL_LIBTORCH_ROOT}")

add_library(torch_cpu INTERFACE IMPORTED GLOBAL)
add_library(torch::cpu ALIAS torch_cpu)
target_include_directories(torch_cpu SYSTEM INTERFACE
  "${DRYSTILL_LIBTORCH_ROOT}/include" "${DRYSTILL_LIBTORCH_ROOT}/include/torch/csrc/api/include")
target_link_libraries(torch_cpu INTERFACE
  "${DRYSTILL_LIBTORCH_ROOT}/lib/libtorch_cpu.so" "${DRYSTILL_LIBTORCH_ROOT}/lib/libc10.so")
# The rpath also makes the one OpenMP runtime the wheel's: two thread pools would fight over the cores.
# at::parallel_for is an OpenMP pragma in a header: without the flag it silently runs on one thread.
target_compile_options(torch_cpu INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fopenmp>)
target_link_options(torch_cpu INTERFACE "-Wl,-rpath,${DRYSTILL_LIBTORCH_ROOT}/lib"
  -fopenmp "-Wl,--unresolved-symbols=ignore-in-shared-libs")
