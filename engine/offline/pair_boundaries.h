// The filesystems inside a source, as the pair's record remembers them.
#pragma once

#include "engine/compare/boundaries.h"

namespace mirrorfs::offline {

/// Of a replica without a readable record: none but those that are met.
[[nodiscard]] compare::Boundaries boundaries_of(int source_root, int replica_root);

}  // namespace mirrorfs::offline
