#include "mirrorfs/invariant.h"

#include <cstdlib>

#include "mirrorfs/log.h"

namespace mirrorfs {

void invariant_broken(const char* what) noexcept {
  log_error("internal error, stopping at once to keep the replica right: not true that {}", what);
  std::abort();
}

}  // namespace mirrorfs
