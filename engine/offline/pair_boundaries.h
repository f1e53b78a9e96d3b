// What the record of a pair says of how its trees are compared.
#pragma once

#include "engine/compare/boundaries.h"
#include "mirrorfs/capabilities.h"

namespace mirrorfs::offline {

/// Of a replica without a readable record: none but those that are met.
[[nodiscard]] compare::Boundaries boundaries_of(int source_root, int replica_root);
/// Of a replica without a readable record: everything counts.
[[nodiscard]] Fidelity fidelity_of(int replica_root);

}  // namespace mirrorfs::offline
