// What must hold of SRC, DST and MNT before anything is opened for good. Nesting and pairing are
// checked by the engine, on the descriptors that it keeps.
#pragma once

#include <expected>
#include <filesystem>
#include <string>

#include "fs/daemon/options.h"

namespace mirrorfs {

/// Makes every path in `options` absolute and, where it must exist, canonical, so that a later
/// chdir("/") changes nothing. Refuses what is missing, no directory, or mounted already, and a
/// log file inside one of the trees.
/// The error is one line fit for the user.
[[nodiscard]] std::expected<void, std::string> resolve_paths(DaemonOptions& options);

/// /dev/fuse is there and opens.
[[nodiscard]] std::expected<void, std::string> check_fuse_device();

}  // namespace mirrorfs
