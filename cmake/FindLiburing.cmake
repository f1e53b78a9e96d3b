# Finds liburing: first the one built by mount-scripts/provision, then the system's.
# Target: Liburing::uring. Variables: Liburing_FOUND, Liburing_VERSION.

include(FindPackageHandleStandardArgs)
include("${CMAKE_CURRENT_LIST_DIR}/DepsPrefix.cmake")

mirrorfs_locate(Liburing liburing liburing.h uring)

find_package_handle_standard_args(
  Liburing
  REQUIRED_VARS Liburing_LIBRARY Liburing_INCLUDE_DIR
  VERSION_VAR Liburing_VERSION)

if(Liburing_FOUND AND NOT TARGET Liburing::uring)
  add_library(Liburing::uring UNKNOWN IMPORTED)
  set_target_properties(
    Liburing::uring PROPERTIES IMPORTED_LOCATION "${Liburing_LIBRARY}"
                               INTERFACE_INCLUDE_DIRECTORIES "${Liburing_INCLUDE_DIR}")
endif()
