// What is mounted inside a tree, as /proc/self/mountinfo (proc(5)) says. Start-up only.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/journal/tree_root.h"

namespace mirrorfs::journal {

struct InnerMount {
  std::string path;    ///< relative to the tree; "" for the tree itself
  std::string device;  ///< "8:1"
  std::string root;    ///< the directory of that filesystem that is shown there
};

/// Those below the tree, in the order of their paths; the first is the tree itself.
[[nodiscard]] std::vector<InnerMount> inner_mounts(const TreeRoot& tree);
/// The same from a given text; `mount_id`: of the mount that the tree's root is on.
[[nodiscard]] std::vector<InnerMount> inner_mounts_in(std::string_view mountinfo, long mount_id,
                                                      std::string_view tree);

/// Refuses a directory that would be met at two places, with both names.
[[nodiscard]] StartUp<void> refuse_met_twice(const std::vector<InnerMount>& mounts,
                                             const TreeRoot& tree);

}  // namespace mirrorfs::journal
