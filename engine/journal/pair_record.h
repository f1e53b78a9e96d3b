// The pairing record in the replica's reserved directory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/journal/pairing.h"

namespace mirrorfs::journal {

/// Distinguishes one source directory from every other across reboots: its inode number and birth
/// time (an empty mount point, or another disk mounted there, has others). Filesystem ids are not
/// used where a birth time exists: XFS derives its from the device number, which changes.
struct SourceIdentity {
  std::uint64_t inode = 0;
  std::int64_t birth_seconds = 0;
  std::int64_t birth_nanoseconds = 0;
  std::uint64_t filesystem = 0;  ///< f_fsid (statfs(2)), compared only without a birth time
  std::string path;              ///< for messages only

  [[nodiscard]] bool same_tree(const SourceIdentity& other) const;
};

struct PairRecord {
  std::string pair_id;
  SourceIdentity source;
};

[[nodiscard]] SourceIdentity identity_of(const TreeRoot& source);

/// No record: nullopt. A record that cannot be read or parsed is an error, not «no record».
[[nodiscard]] StartUp<std::optional<PairRecord>> read_pair_record(int replica_root);
[[nodiscard]] StartUp<void> write_pair_record(int reserved_directory, const PairRecord& record);

}  // namespace mirrorfs::journal
