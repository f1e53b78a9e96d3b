// Changes behind the daemon's back, while it does not run.
#pragma once

#include <string>
#include <vector>

#include "random.h"

namespace mirrorfs::simulation {

/// A few changes to the tree at `root`, which the next mount's check has to find: each moves an
/// mtime or a name. In words.
std::vector<std::string> edit_tree(int root, Random& random);

}  // namespace mirrorfs::simulation
