// Locking a directory together with what a name in it means.
#pragma once

#include <optional>

#include "fs/handlers/filesystem.h"

namespace mirrorfs::fs {

/// What a name meant when it was looked at.
struct Child {
  NodeRef node;
  Metadata metadata;
};

/// What `name` means, with a node: one made for the purpose if the kernel knows none, so that there
/// is a lock for the object and its identity is exact. Empty when there is nothing of that name.
[[nodiscard]] Result<std::optional<Child>> look_at_child(Filesystem& fs, int directory,
                                                         const char* name);

/// Under the locks: the name still means the same (or still nothing); its metadata is looked at
/// again.
[[nodiscard]] Result<bool> still_means(Filesystem& fs, int directory, const char* name,
                                       std::optional<Child>& child);

}  // namespace mirrorfs::fs
