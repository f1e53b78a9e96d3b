# mirrorfs_locate(<package> <pkg-config module> <header> <library>)
#
# Sets <package>_INCLUDE_DIR, <package>_LIBRARY and <package>_VERSION: from MIRRORFS_DEPS_DIR if
# mount-scripts/provision has built it there, else from the system. Looked up anew each time, so that
# an existing build folder follows when provision changes what there is.
function(mirrorfs_locate package module header library)
  unset(${package}_INCLUDE_DIR CACHE)
  unset(${package}_LIBRARY CACHE)
  set(version "")
  set(prefix "${MIRRORFS_DEPS_DIR}/prefix")

  if(EXISTS "${prefix}/stamp")
    file(STRINGS "${prefix}/lib/pkgconfig/${module}.pc" version REGEX "^Version:")
    string(REGEX REPLACE "^Version: *" "" version "${version}")
    find_path(${package}_INCLUDE_DIR ${header} PATHS "${prefix}/include" NO_DEFAULT_PATH)
    find_library(${package}_LIBRARY lib${library}.a PATHS "${prefix}/lib" NO_DEFAULT_PATH)
  elseif(PkgConfig_FOUND)
    pkg_check_modules(PC_${package} QUIET ${module})
    set(version "${PC_${package}_VERSION}")
    find_path(${package}_INCLUDE_DIR ${header} HINTS "${PC_${package}_INCLUDEDIR}")
    find_library(${package}_LIBRARY ${library} HINTS "${PC_${package}_LIBDIR}")
  endif()
  mark_as_advanced(${package}_INCLUDE_DIR ${package}_LIBRARY)
  set(${package}_VERSION "${version}" PARENT_SCOPE)
endfunction()
