# mirrorfs_room(<name> SOURCES <source>... [PUBLIC <target>...] [PRIVATE <target>...])
#
# The calling folder as a static library mirrorfs_<name>, alias mirrorfs::<name>. Only targets that
# link a room find its headers: they are not reached through the source tree but through a link to
# the folder in a directory of their own. So an arrow that is not drawn here does not compile.
function(mirrorfs_room name)
  cmake_parse_arguments(PARSE_ARGV 1 room "" "" "SOURCES;PUBLIC;PRIVATE")
  file(RELATIVE_PATH folder "${PROJECT_SOURCE_DIR}" "${CMAKE_CURRENT_SOURCE_DIR}")
  cmake_path(GET folder PARENT_PATH part)
  set(door "${PROJECT_BINARY_DIR}/rooms/${name}")
  file(MAKE_DIRECTORY "${door}/${part}")
  file(CREATE_LINK "${CMAKE_CURRENT_SOURCE_DIR}" "${door}/${folder}" SYMBOLIC)

  add_library(mirrorfs_${name} STATIC ${room_SOURCES})
  add_library(mirrorfs::${name} ALIAS mirrorfs_${name})
  target_include_directories(mirrorfs_${name} PUBLIC "${door}")
  target_link_libraries(
    mirrorfs_${name}
    PUBLIC mirrorfs::headers ${room_PUBLIC}
    PRIVATE ${room_PRIVATE} mirrorfs::warnings)
endfunction()
