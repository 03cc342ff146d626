# Compiler settings shared by every target: one set of flags, so that one precompiled header serves all rooms.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
# Not CMAKE_POSITION_INDEPENDENT_CODE: programs would get -fPIE, and one precompiled header must serve them and libraries.
add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fPIC> $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-fPIC>)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_INSTALL_RPATH_USE_LINK_PATH ON)  # an installed program still finds LibTorch in its cache

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

find_program(DRYSTILL_CCACHE ccache)
if(DRYSTILL_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Precompiled headers need these sloppiness settings; base_dir and nohashdir let two checkouts share results.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      "CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime"
      "CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}" CCACHE_NOHASHDIR=1 ${DRYSTILL_CCACHE})
endif()

# Debian 12's mold 1.10 is left alone: on some layouts it never ends, on others its programs cannot start (the read-only part
# begins in .tbss, on a page that is not mapped). GNU ld takes a second a program.
find_program(DRYSTILL_MOLD mold)
if(DRYSTILL_MOLD)
  execute_process(COMMAND ${DRYSTILL_MOLD} --version OUTPUT_VARIABLE _mold)
  if(_mold MATCHES "mold ([0-9.]+)" AND CMAKE_MATCH_1 VERSION_GREATER_EQUAL 2)
    add_link_options(-fuse-ld=mold)
  endif()
endif()

if(PROJECT_IS_TOP_LEVEL)
  # restrict, stringop-overflow: GCC 12 sees overlaps in every "literal" + std::string (its bug 105329).
  add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic;-Wshadow;-Wno-restrict;-Wno-stringop-overflow>")
  # array-bounds: GCC 13 sees a std::vector<bool> too short in every torch::autograd::Function.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 13)
    add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:-Wno-array-bounds>")
  endif()
  if(DRYSTILL_WERROR)
    add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:-Werror>")
  endif()
endif()

if(DRYSTILL_SANITIZE)
  add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${DRYSTILL_SANITIZE};-fno-omit-frame-pointer>")
  add_link_options(-fsanitize=${DRYSTILL_SANITIZE})
endif()
