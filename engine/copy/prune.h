// Removing a directory of the replica that may hold what is excluded.
#pragma once

#include <string>

#include "engine/copy/context.h"
#include "engine/ring/task.h"
#include "mirrorfs/error.h"

namespace mirrorfs::copy {

/// What a directory of the replica holds, itself not counted.
struct Holdings {
  bool excluded = false;  ///< what is left alone
  bool others = false;    ///< what is not, but for directories that lead to what is
};
/// Ring thread. `path`: of the directory, from the replica's root.
[[nodiscard]] ring::Task<Result<Holdings>> look_for_excluded(Context context, int dirfd,
                                                             std::string name, std::string path);

/// remove_tree(), but what is excluded is left alone where it stands, and so are the directories
/// that lead to it. False: so the directory itself stays. Whatever somebody makes in it meanwhile
/// may stay, too.
[[nodiscard]] ring::Task<Result<bool>> remove_included(Context context, int dirfd, std::string name,
                                                       std::string path);

}  // namespace mirrorfs::copy
