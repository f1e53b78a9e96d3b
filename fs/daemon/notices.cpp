#include "fs/daemon/notices.h"

#include <fmt/format.h>
#include <unistd.h>

#include "fs/control/mount_table.h"
#include "mirrorfs/log.h"

namespace mirrorfs {

void log_notices() {
  if (geteuid() != 0) {
    log_info(
        "mounted without root's rights: owners other than yourself, device nodes, trusted.* and "
        "security.* attributes are not mirrored, and only you can use the mount unless allow_other "
        "is "
        "allowed in /etc/fuse.conf");
  }
}

std::optional<std::string> unfit_replica(std::string_view mountinfo,
                                         const std::filesystem::path& replica) {
  const auto mount = control::mount_holding(mountinfo, replica);
  if (!mount || mount->type != "fuse.rclone") return std::nullopt;
  return fmt::format(
      "the replica is on a mount of rclone ('{}'), which answers from a cache of its own and sends "
      "later: what is in sync there may never reach the server. Mirror to a local directory, and "
      "let 'rclone sync' send that (docs/REMOTE.md)",
      mount->mount_point);
}

}  // namespace mirrorfs
