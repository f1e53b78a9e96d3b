# mirrorfs_landed_sources(<variable> <folder>...)
#
# All .cpp files in the folders and below. Only for parts whose list is still changing hourly; the
# rule of this tree is an explicit list.
function(mirrorfs_landed_sources variable)
  set(globs ${ARGN})
  list(TRANSFORM globs PREPEND "${CMAKE_CURRENT_SOURCE_DIR}/")
  list(TRANSFORM globs APPEND "/*.cpp")
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${globs})
  set(${variable} "${sources}" PARENT_SCOPE)
endfunction()
