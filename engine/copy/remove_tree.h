// Removing a directory of the replica with everything below.
#pragma once

#include "engine/copy/context.h"
#include "engine/ring/task.h"
#include "mirrorfs/error.h"

namespace mirrorfs::copy {

/// It leaves the tree at once, in one rename. Ring thread.
[[nodiscard]] ring::Task<Result<void>> remove_tree(Context context, int dirfd, const char* name);

}  // namespace mirrorfs::copy
