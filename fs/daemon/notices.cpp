#include "fs/daemon/notices.h"

#include <unistd.h>

#include "mirrorfs/log.h"

namespace mirrorfs {

std::vector<std::string> unbuilt_options(const DaemonOptions& options) {
  std::vector<std::string> lines;
  if (options.io == "auto" && options.given.contains("io")) {
    lines.emplace_back(
        "io=auto: kernel passthrough is not built yet; all data goes through the daemon");
  }
  return lines;
}

void log_notices(const DaemonOptions& options) {
  for (const std::string& line : unbuilt_options(options)) log_warn("{}", line);
  if (geteuid() != 0) {
    log_info(
        "mounted without root's rights: owners other than yourself, device nodes, trusted.* and "
        "security.* attributes are not mirrored, and only you can use the mount unless allow_other "
        "is "
        "allowed in /etc/fuse.conf");
  }
}

}  // namespace mirrorfs
