// Prometheus' text format (version 0.0.4).
#pragma once

#include <span>
#include <string>

#include "fs/ctl/mount_report.h"

namespace mirrorfs::ctl {

/// All metrics of all mounts. Those that do not answer have mirrorfs_up 0 and mirrorfs_presence.
[[nodiscard]] std::string metrics_text(std::span<const MountReport> reports);

}  // namespace mirrorfs::ctl
