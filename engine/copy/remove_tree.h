// Removing a directory of the replica with everything below.
#pragma once

#include "engine/copy/context.h"
#include "engine/ring/task.h"
#include "mirrorfs/error.h"

namespace mirrorfs::copy {

/// It leaves the tree at once, in one rename; what cannot be emptied is left in the staging folder.
/// Ring thread.
[[nodiscard]] ring::Task<Result<void>> remove_tree(Context context, int dirfd, const char* name);

/// Tries once more to remove what could not be removed from the staging folder before.
[[nodiscard]] ring::Task<Result<void>> clear_leftovers(Context context);

}  // namespace mirrorfs::copy
