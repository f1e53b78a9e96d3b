// What the log says at the start about limits of this mount: rights that are missing, options that
// have no effect yet.
#pragma once

#include <string>
#include <vector>

#include "fs/daemon/options.h"

namespace mirrorfs {

/// The data path in use: the io policy lets every open go through the daemon.
inline constexpr const char* kIoInUse = "through";

/// One line per option that was asked for and does not do yet what its name says.
[[nodiscard]] std::vector<std::string> unbuilt_options(const DaemonOptions& options);

void log_notices(const DaemonOptions& options);

}  // namespace mirrorfs
