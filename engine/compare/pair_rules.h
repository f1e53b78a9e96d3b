// What of a pair of trees is compared, and how exactly.
#pragma once

#include "engine/compare/boundaries.h"
#include "engine/exclude/exclusion.h"
#include "mirrorfs/capabilities.h"

namespace mirrorfs::compare {

struct PairRules {
  Boundaries boundaries = Boundaries();
  exclude::Exclusion exclusion = {};
  Fidelity fidelity = {};
};

}  // namespace mirrorfs::compare
