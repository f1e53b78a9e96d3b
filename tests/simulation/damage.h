// What others do to the replica while the daemon mirrors to it.
#pragma once

#include <string>
#include <vector>

#include "random.h"

namespace mirrorfs::simulation {

/// One change to the tree at `root` that nobody tells the engine of: other bytes under the same
/// size and times, as a disk that rots would have them, other attributes, or an object more or
/// less. In words; empty: nothing was found to change.
[[nodiscard]] std::string damage_tree(int root, Random& random);

/// All paths below either of the roots, in order; `.mirrorfs` is left out. The first is the roots'
/// own, empty.
[[nodiscard]] std::vector<std::string> all_paths(int source_root, int replica_root);

}  // namespace mirrorfs::simulation
