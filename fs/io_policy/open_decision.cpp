#include "fs/io_policy/open_decision.h"

#include <fcntl.h>

namespace mirrorfs::fs {

OpenDecision decide_open(const OpenFacts& facts) {
  (void)facts;
  return {.path = DataPath::kThroughDaemon};
}

AccessMode access_mode(int open_flags) {
  switch (open_flags & O_ACCMODE) {
    case O_RDONLY: return AccessMode::kReadOnly;
    case O_WRONLY: return AccessMode::kWriteOnly;
    default: return AccessMode::kReadWrite;
  }
}

}  // namespace mirrorfs::fs
