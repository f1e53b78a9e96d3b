// Many seeds, in several processes.
#pragma once

#include "arguments.h"

namespace mirrorfs::simulation {

/// Prints the seeds that break a promise, hang or kill their process, then the range, the time and
/// the rate. Returns the exit status: 1 when one did.
[[nodiscard]] int run_many(const Arguments& arguments);

}  // namespace mirrorfs::simulation
