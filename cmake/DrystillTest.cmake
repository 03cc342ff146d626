# drystill_test(<room> SOURCES ... [USES room ...] [LIBRARIES ...] [APART file ...])
#
# One GoogleTest program a room, tests/<room>/<stem>_test.cpp beside <room>/<stem>.h. DRYSTILL_GOLDEN_DIR is tests/golden.
# APART: as in drystill_room.
include(GoogleTest)
function(drystill_test room)
  cmake_parse_arguments(PARSE_ARGV 1 ARG "" "" "SOURCES;USES;LIBRARIES;APART")
  set(target drystill_${room}_test)
  list(TRANSFORM ARG_USES PREPEND drystill_)
  add_executable(${target} ${ARG_SOURCES})
  drystill_use_torch_pch(${target})
  set_source_files_properties(${ARG_APART} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  target_link_libraries(${target} PRIVATE drystill_test_support ${ARG_USES} ${ARG_LIBRARIES} GTest::gtest GTest::gtest_main)
  target_compile_definitions(${target} PRIVATE
    DRYSTILL_GOLDEN_DIR="${PROJECT_SOURCE_DIR}/tests/golden" DRYSTILL_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  # PRE_TEST: a CUDA build links on a machine where its programs cannot start, so the build must not start them.
  # NO_PRETTY_VALUES: a parameter without a printer would put its address into the test's name.
  gtest_discover_tests(${target} TEST_PREFIX "${room}." DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60 NO_PRETTY_VALUES
    PROPERTIES TIMEOUT 300)
endfunction()

# drystill_skipped_test(NAME WHY): listed as skipped, so that nobody believes it ran.
function(drystill_skipped_test name why)
  add_test(NAME ${name} COMMAND ${CMAKE_COMMAND} -E echo "skipped: ${why}")
  set_tests_properties(${name} PROPERTIES SKIP_REGULAR_EXPRESSION "^skipped: ")
endfunction()
