// What /proc/self/mountinfo (proc(5)) says about one mount point.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

namespace mirrorfs::control {

struct MountEntry {
  std::string mount_point;
  std::string type;    ///< "fuse.mirrorfs"
  std::string source;  ///< fsname
  uid_t owner = 0;     ///< FUSE: user_id
  [[nodiscard]] bool is_mirrorfs() const { return type == "fuse.mirrorfs"; }
};

/// The topmost mount at exactly this canonical path.
[[nodiscard]] std::optional<MountEntry> find_mount(std::string_view mount_point);

/// The same in a given text.
[[nodiscard]] std::optional<MountEntry> find_mount_in(std::string_view mountinfo,
                                                      std::string_view mount_point);

}  // namespace mirrorfs::control
