// Which directory a tree's root is, across reboots, remounts and machines.
#pragma once

#include <cstdint>
#include <string>

#include "engine/journal/tree_root.h"

namespace mirrorfs::journal {

/// An inode number and a birth time are not enough: two disks formatted in the same second have the
/// same ones. A clone of a disk has the same identity altogether; `source_ctime` in the pair's
/// record tells that one apart (PairRecord).
struct TreeIdentity {
  std::string filesystem;  ///< UUID in hex; empty where there is none (FS_IOC_GETFSUUID, Linux 6.9)
  std::string handle;      ///< file handle in hex (name_to_handle_at(2)); empty where it may change
  std::uint64_t inode = 0;
  std::int64_t birth_seconds = 0;
  std::int64_t birth_nanoseconds = 0;
  std::uint64_t filesystem_id =
      0;                    ///< f_fsid (statfs(2)): compared only where nothing else is known
  bool overlay = false;     ///< the first write to a lower layer changes birth and handle
  std::string device;       ///< what the filesystem is on, as the disk or image says; not compared
  bool mount_root = false;  ///< something was mounted there; not compared
  std::string path;         ///< canonical; not compared

  /// What only one of the two knows does not tell them apart.
  [[nodiscard]] bool same_tree(const TreeIdentity& other) const;
  /// As far as it can be told.
  [[nodiscard]] bool same_filesystem(const TreeIdentity& other) const;
};

[[nodiscard]] TreeIdentity identity_of(const TreeRoot& root);

}  // namespace mirrorfs::journal
