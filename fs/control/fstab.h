// Which mirrors fstab(5) asks for.
#pragma once

#include <string>
#include <vector>

namespace mirrorfs::control {

struct FstabLine {
  std::string source, mount_point;
  std::string replica;  ///< dst=, unescaped; may be empty
};

/// Lines of type mirrorfs or fuse.mirrorfs that are to be mounted at boot: without noauto, and
/// without an automount that waits for its first use. Of $LIBMOUNT_FSTAB (libmount(3)), else
/// /etc/fstab.
[[nodiscard]] std::vector<FstabLine> mirrors_in_fstab();

}  // namespace mirrorfs::control
