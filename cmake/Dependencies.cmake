# The libraries mirrorfs uses. docs/DEPENDENCIES.md says what each is for; mount-scripts/provision
# makes them available.

set(MIRRORFS_LIBFUSE_MINIMUM 3.17)
set(MIRRORFS_LIBURING_MINIMUM 2.8)

if(DEFINED ENV{MIRRORFS_DEPS_DIR})
  set(default_deps_dir "$ENV{MIRRORFS_DEPS_DIR}")
else()
  set(default_deps_dir "${PROJECT_SOURCE_DIR}/build/deps")
endif()
set(MIRRORFS_DEPS_DIR "${default_deps_dir}"
    CACHE PATH "Where mount-scripts/provision puts the libraries it builds")

find_package(Threads REQUIRED)
find_package(PkgConfig QUIET)

set(missing "")
find_package(Liburing ${MIRRORFS_LIBURING_MINIMUM})
find_package(Libfuse ${MIRRORFS_LIBFUSE_MINIMUM})
foreach(package IN ITEMS Liburing Libfuse PkgConfig)
  if(NOT ${package}_FOUND)
    list(APPEND missing ${package})
  endif()
endforeach()

find_package(fmt QUIET)
find_package(spdlog QUIET)
find_package(nlohmann_json QUIET)
find_package(Boost QUIET CONFIG COMPONENTS program_options)
foreach(package IN ITEMS fmt spdlog nlohmann_json Boost)
  if(NOT ${package}_FOUND)
    list(APPEND missing ${package})
  endif()
endforeach()

if(PkgConfig_FOUND)
  pkg_check_modules(XXHASH QUIET IMPORTED_TARGET libxxhash)
  pkg_check_modules(SYSTEMD QUIET IMPORTED_TARGET libsystemd)
  foreach(module IN ITEMS XXHASH SYSTEMD)
    if(NOT ${module}_FOUND)
      list(APPEND missing ${module})
    endif()
  endforeach()
endif()

if(MIRRORFS_BUILD_TESTS)
  find_package(GTest QUIET)
  if(NOT GTest_FOUND)
    list(APPEND missing GTest)
  endif()
endif()
if(MIRRORFS_BUILD_BENCH)
  find_package(benchmark QUIET)
  if(NOT benchmark_FOUND)
    list(APPEND missing benchmark)
  endif()
endif()

if(missing)
  set(groups "")
  if(MIRRORFS_BUILD_TESTS)
    string(APPEND groups " test")
  endif()
  if(MIRRORFS_BUILD_BENCH)
    string(APPEND groups " bench")
  endif()
  list(JOIN missing ", " missing)
  message(
    FATAL_ERROR "Not found, or too old: ${missing}.\n"
                "Run this, then configure again:\n"
                "  ${PROJECT_SOURCE_DIR}/mount-scripts/provision${groups}\n")
endif()
