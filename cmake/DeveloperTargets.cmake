# format, format-check and tidy: for people, and for .ci/run.

# The version is fixed because layouts differ between versions.
find_program(CLANG_FORMAT_PROGRAM clang-format-19)
find_program(RUN_CLANG_TIDY_PROGRAM run-clang-tidy-19)
mark_as_advanced(CLANG_FORMAT_PROGRAM RUN_CLANG_TIDY_PROGRAM)

set(our_folders include engine fs tests bench)
list(TRANSFORM our_folders PREPEND "${PROJECT_SOURCE_DIR}/")

if(CLANG_FORMAT_PROGRAM)
  set(source_globs "")
  foreach(folder IN LISTS our_folders)
    list(APPEND source_globs "${folder}/*.cpp" "${folder}/*.h")
  endforeach()
  file(GLOB_RECURSE our_sources CONFIGURE_DEPENDS ${source_globs})
  add_custom_target(
    format
    COMMAND "${CLANG_FORMAT_PROGRAM}" -i ${our_sources}
    VERBATIM)
  add_custom_target(
    format-check
    COMMAND "${CLANG_FORMAT_PROGRAM}" --dry-run -Werror ${our_sources}
    COMMENT "Checking the layout of the sources"
    VERBATIM)
endif()

if(RUN_CLANG_TIDY_PROGRAM)
  list(JOIN our_folders "|" folder_pattern)
  add_custom_target(
    tidy
    COMMAND "${RUN_CLANG_TIDY_PROGRAM}" -quiet -p "${PROJECT_BINARY_DIR}" "^(${folder_pattern})/"
    COMMENT "Running clang-tidy"
    VERBATIM)
endif()
