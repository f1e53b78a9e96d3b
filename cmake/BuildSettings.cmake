# How every target of ours is compiled: language, hardening, sanitizers, warnings.

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_SCAN_FOR_MODULES OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()

set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")

include(GNUInstallDirs)
include(CheckPIESupported)
check_pie_supported()
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

find_program(CCACHE_PROGRAM ccache)
mark_as_advanced(CCACHE_PROGRAM)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CCACHE_PROGRAM}")
endif()

set(MIRRORFS_SANITIZE "" CACHE STRING "Sanitizers to build with, e.g. address,undefined or thread")

if(MIRRORFS_SANITIZE)
  # vptr opens a pipe to look at each object: false alarms in tests that run out of descriptors.
  add_compile_options(
    -fsanitize=${MIRRORFS_SANITIZE} -fno-sanitize=vptr -fno-sanitize-recover=all
    -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${MIRRORFS_SANITIZE})
elseif(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  # _FORTIFY_SOURCE hides errors from the sanitizers and does nothing without optimisation.
  add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong)
  add_link_options(-Wl,-z,relro,-z,now)
endif()
if(MIRRORFS_SANITIZE OR CMAKE_BUILD_TYPE STREQUAL "Debug")
  add_compile_definitions(_GLIBCXX_ASSERTIONS)
endif()

# Linked by our own targets only; other people's headers come in as SYSTEM.
add_library(mirrorfs_warnings INTERFACE)
add_library(mirrorfs::warnings ALIAS mirrorfs_warnings)
target_compile_options(
  mirrorfs_warnings
  INTERFACE -Wall
            -Wextra
            -Wpedantic
            -Wconversion
            -Wshadow
            -Wcast-align
            -Wextra-semi
            -Wformat=2
            -Wnon-virtual-dtor
            -Wold-style-cast
            -Woverloaded-virtual
            -Wredundant-decls
            -Wundef
            $<$<CXX_COMPILER_ID:GNU>:-Wduplicated-cond;-Wlogical-op>
            -Werror)

# GCC 12 sees an overlap in string concatenation (its bug 105651), and takes the descriptor in one
# half of a std::expected for the pointer in the other.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(mirrorfs_warnings INTERFACE -Wno-restrict -Wno-free-nonheap-object)
endif()

# Instrumented code hides from it what was checked before: it takes the error of a std::expected that
# has none for one that is destroyed.
if(MIRRORFS_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(mirrorfs_warnings INTERFACE -Wno-maybe-uninitialized)
endif()
