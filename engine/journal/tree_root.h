// The opened root of a tree, checks of where it lies, and errors for the user. Start-up only: the
// one place of the engine where paths are resolved.
#pragma once

#include <expected>
#include <filesystem>
#include <string>

#include "mirrorfs/metadata.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::journal {

/// Errors are one line for the user: what failed, on which file, why, and what to do.
template <class T>
using StartUp = std::expected<T, std::string>;

/// An opened root directory of a tree.
struct TreeRoot {
  std::filesystem::path path;  ///< absolute, for messages only
  UniqueFd fd;                 ///< O_RDONLY | O_DIRECTORY
  Metadata metadata;
};

/// `role` is "source", "replica" or "mount point".
[[nodiscard]] StartUp<TreeRoot> open_root(const std::filesystem::path& path, const char* role);

/// Refuses a replica inside the source and the like, by identity of the directories above each
/// root. The mount point may be the source itself.
[[nodiscard]] StartUp<void> check_nesting(const TreeRoot& source, const TreeRoot& replica,
                                          const TreeRoot* mount_point);

/// Refuses a directory, there already or still to be made, that is or lies inside the tree.
[[nodiscard]] StartUp<void> check_outside(const std::filesystem::path& directory, const char* role,
                                          const TreeRoot& tree, const char* tree_role);

}  // namespace mirrorfs::journal
