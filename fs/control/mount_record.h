// What became of the last mirrorfs at a mount point: beside its control socket, until the next
// boot.
#pragma once

#include <ctime>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mirrorfs/error.h"

namespace mirrorfs::control {

struct MountRecord {
  std::string mount, source, replica;  ///< absolute paths
  std::string state;                   ///< "mounted", "complete" or "incomplete"
  std::string cause;                   ///< with "incomplete": one line
  std::time_t time = 0;                ///< since when
};

/// Replaces the record of a mount in an open directory of sockets.
[[nodiscard]] Result<void> write_mount_record(int directory, const MountRecord& record);

/// The record of this mount; none: nothing was mounted there since the boot, as far as the caller
/// may see.
[[nodiscard]] std::optional<MountRecord> read_mount_record(std::string_view mount);

/// All that the caller may see, of mount points that there still are.
[[nodiscard]] std::vector<MountRecord> all_mount_records();

}  // namespace mirrorfs::control
