// What monitoring makes of a mount: 0 good, 1 late or degraded, 2 dead, hung or absent.
#pragma once

#include <span>
#include <string>

#include "fs/ctl/mount_report.h"

namespace mirrorfs::ctl {

inline constexpr double kDefaultMaxLag = 60;  ///< seconds

struct Health {
  int code = 0;
  std::string why;  ///< one line, without the mount's name; also when all is good
};

[[nodiscard]] Health health_of(const MountReport& report, double max_lag);

/// The worst of all, and the line of `mirrorctl check`: what is wrong first, and how many are good.
[[nodiscard]] Health health_of_all(std::span<const MountReport> reports, double max_lag);

}  // namespace mirrorfs::ctl
