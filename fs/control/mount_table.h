// What /proc/self/mountinfo (proc(5)) says about one mount point.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

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

/// The topmost mount that this canonical path is on.
[[nodiscard]] std::optional<MountEntry> mount_holding(std::string_view mountinfo,
                                                      const std::filesystem::path& path);

/// All mirrorfs mounts, topmost at their mount points or not.
[[nodiscard]] std::vector<MountEntry> mirrors_in(std::string_view mountinfo);

/// The mounts that the process sees; empty text: it is gone, or not ours to look at.
[[nodiscard]] std::string mountinfo_of(pid_t process);
[[nodiscard]] std::string own_mountinfo();

/// The same in a given text.
[[nodiscard]] std::optional<MountEntry> find_mount_in(std::string_view mountinfo,
                                                      std::string_view mount_point);

}  // namespace mirrorfs::control
