#include "fs/daemon/notices.h"

#include <unistd.h>

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

}  // namespace mirrorfs
