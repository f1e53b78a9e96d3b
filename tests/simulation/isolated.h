// A run in a process of its own: what kills it, or hangs, is a failure like any other.
#pragma once

#include "plan.h"
#include "run.h"

namespace mirrorfs::simulation {

[[nodiscard]] Verdict run_isolated(const Plan& plan);

}  // namespace mirrorfs::simulation
