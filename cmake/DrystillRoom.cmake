# drystill_room(<room> SOURCES ... [USES room ...] [PRIVATE_LIBRARIES ...] [APART file ...] [NO_TORCH])
#
# Adds the static library drystill_<room> (alias drystill::<room>). USES names rooms below it. A room that is not defined
# yet is refused, so a cycle cannot be written down. NO_TORCH keeps LibTorch and its precompiled header away. The presets
# compile several files of a room at once (CMAKE_UNITY_BUILD), which halves a clean build; APART names those that must be
# compiled alone, because they share names in their anonymous namespaces with others.
set(DRYSTILL_INSTALL_INCLUDE_DIR include/drystill)

function(drystill_room room)
  cmake_parse_arguments(PARSE_ARGV 1 ARG "NO_TORCH" "" "SOURCES;USES;PRIVATE_LIBRARIES;APART")
  foreach(used IN LISTS ARG_USES)
    if(NOT TARGET drystill_${used})
      message(FATAL_ERROR "Room '${room}' uses room '${used}', which is not defined yet: arrows point down only")
    endif()
  endforeach()
  add_library(drystill_${room} STATIC ${ARG_SOURCES})
  add_library(drystill::${room} ALIAS drystill_${room})
  set_source_files_properties(${ARG_APART} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  set_target_properties(drystill_${room} PROPERTIES EXPORT_NAME ${room})
  list(TRANSFORM ARG_USES PREPEND drystill_)
  target_include_directories(drystill_${room} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<INSTALL_INTERFACE:${DRYSTILL_INSTALL_INCLUDE_DIR}>)
  target_link_libraries(drystill_${room} PUBLIC ${ARG_USES} PRIVATE ${ARG_PRIVATE_LIBRARIES})
  if(NOT ARG_NO_TORCH)
    target_link_libraries(drystill_${room} PUBLIC torch::cpu)
    drystill_use_torch_pch(drystill_${room})
  endif()
  set_property(GLOBAL APPEND PROPERTY DRYSTILL_ROOMS ${room})
endfunction()

# One precompiled header for every target: 16 s a file becomes 4 s. <torch/torch.h> is not in it: its 730 MB take 8 s to
# load for every file, and nothing here needs it (layers and optimisers are our own; operators come from at::).
function(drystill_use_torch_pch target)
  if(NOT TARGET drystill_pch)
    file(WRITE "${PROJECT_BINARY_DIR}/pch/pch.cpp.in" "// Owns the precompiled header.\n")
    configure_file("${PROJECT_BINARY_DIR}/pch/pch.cpp.in" "${PROJECT_BINARY_DIR}/pch/pch.cpp" COPYONLY)
    add_library(drystill_pch OBJECT "${PROJECT_BINARY_DIR}/pch/pch.cpp")
    target_link_libraries(drystill_pch PRIVATE torch_cpu)
    target_precompile_headers(drystill_pch PRIVATE <torch/types.h> <torch/nn/module.h>)
  endif()
  target_precompile_headers(${target} REUSE_FROM drystill_pch)
endfunction()
