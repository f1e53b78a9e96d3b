# Finds libfuse 3: first the one built by mount-scripts/provision, then the system's.
# Target: Libfuse::fuse3, for #include <fuse3/fuse_lowlevel.h>.
# Variables: Libfuse_FOUND, Libfuse_VERSION, Libfuse_HAS_URING (built with FUSE-over-io_uring).

include(FindPackageHandleStandardArgs)
include("${CMAKE_CURRENT_LIST_DIR}/DepsPrefix.cmake")

mirrorfs_locate(Libfuse fuse3 fuse3/fuse_lowlevel.h fuse3)

find_package_handle_standard_args(
  Libfuse
  REQUIRED_VARS Libfuse_LIBRARY Libfuse_INCLUDE_DIR
  VERSION_VAR Libfuse_VERSION)

if(Libfuse_FOUND AND NOT TARGET Libfuse::fuse3)
  # The interface is the same without the transport; a message of its code tells.
  file(STRINGS "${Libfuse_LIBRARY}" uring_message LIMIT_COUNT 1 REGEX "^starting io-uring")
  if(uring_message)
    set(Libfuse_HAS_URING TRUE)
  else()
    set(Libfuse_HAS_URING FALSE)
  endif()

  add_library(Libfuse::fuse3 UNKNOWN IMPORTED)
  set_target_properties(
    Libfuse::fuse3 PROPERTIES IMPORTED_LOCATION "${Libfuse_LIBRARY}"
                              INTERFACE_INCLUDE_DIRECTORIES "${Libfuse_INCLUDE_DIR}")
  target_link_libraries(Libfuse::fuse3 INTERFACE Threads::Threads ${CMAKE_DL_LIBS})
  if(Libfuse_LIBRARY MATCHES "\\.a$" AND Libfuse_HAS_URING)
    find_library(NUMA_LIBRARY numa)
    mark_as_advanced(NUMA_LIBRARY)
    if(NOT NUMA_LIBRARY)
      message(FATAL_ERROR "libnuma is missing, which libfuse ${Libfuse_VERSION} was built with.\n"
                          "Run ${PROJECT_SOURCE_DIR}/mount-scripts/provision\n")
    endif()
    target_link_libraries(Libfuse::fuse3 INTERFACE Liburing::uring "${NUMA_LIBRARY}")
  endif()
endif()
