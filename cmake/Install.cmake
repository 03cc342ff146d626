# cmake --install, and find_package(Drystill) for consumers: headers under include/drystill/<room>/, one static library
# a room as the target drystill::<room>, the program, its configurations and the small checkpoints.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

get_property(_rooms GLOBAL PROPERTY DRYSTILL_ROOMS)
set(_package "${CMAKE_INSTALL_LIBDIR}/cmake/Drystill")

foreach(_room IN LISTS _rooms)
  install(TARGETS drystill_${_room} EXPORT DrystillTargets ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
  install(DIRECTORY "${PROJECT_SOURCE_DIR}/${_room}/" DESTINATION "${DRYSTILL_INSTALL_INCLUDE_DIR}/${_room}"
    FILES_MATCHING PATTERN "*.h")
endforeach()
install(EXPORT DrystillTargets NAMESPACE drystill:: DESTINATION "${_package}")

if(TARGET drystill)
  install(TARGETS drystill RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
endif()
install(DIRECTORY "${PROJECT_SOURCE_DIR}/configs" DESTINATION "${CMAKE_INSTALL_DATADIR}/drystill"
  FILES_MATCHING PATTERN "*.yaml")
if(IS_DIRECTORY "${PROJECT_SOURCE_DIR}/models")
  install(DIRECTORY "${PROJECT_SOURCE_DIR}/models" DESTINATION "${CMAKE_INSTALL_DATADIR}/drystill")
endif()

configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/DrystillConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/DrystillConfig.cmake" INSTALL_DESTINATION "${_package}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/DrystillConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
# The consumer finds LibTorch and our libraries exactly as we do.
install(FILES
  "${PROJECT_BINARY_DIR}/DrystillConfig.cmake" "${PROJECT_BINARY_DIR}/DrystillConfigVersion.cmake"
  "${CMAKE_CURRENT_LIST_DIR}/LibTorch.cmake" "${CMAKE_CURRENT_LIST_DIR}/CudaSupport.cmake"
  "${CMAKE_CURRENT_LIST_DIR}/Libraries.cmake" "${CMAKE_CURRENT_LIST_DIR}/FindOpenCV.cmake"
  DESTINATION "${_package}")
