// Who goes on using SRC past a mount that is made over it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace mirrorfs {

/// One line for each process that has something below the directory open or mapped for writing, or
/// works in it: past the mount that is to be made there, so that what it writes is not mirrored.
/// Of other users' processes only root sees that. At start: paths below /proc are opened.
[[nodiscard]] std::vector<std::string> writers_below(const std::filesystem::path& directory);

}  // namespace mirrorfs
