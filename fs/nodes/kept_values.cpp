#include "fs/nodes/kept_values.h"

#include <linux/magic.h>
#include <sys/vfs.h>

#include <cstdint>

namespace mirrorfs::fs {
namespace {

#ifndef XFS_SUPER_MAGIC
constexpr long XFS_SUPER_MAGIC = 0x58465342;  // in linux/magic.h since Linux 5.13
#endif

}  // namespace

bool keeps_attributes(long filesystem_type) {
  switch (filesystem_type) {
    case BTRFS_SUPER_MAGIC:
    case EXT4_SUPER_MAGIC:
    case TMPFS_MAGIC:
    case XFS_SUPER_MAGIC: return true;
    default: return false;
  }
}

bool keeps_attributes(int root) {
  struct statfs status{};
  if (::fstatfs(root, &status) != 0) return false;
  return keeps_attributes(static_cast<long>(status.f_type));
}

bool shows_nanoseconds(const timespec& stamped) { return stamped.tv_nsec % 10 != 0; }

bool is_within_every_range(const timespec& time) {
  return time.tv_sec >= 0 && time.tv_sec < INT32_MAX;
}

}  // namespace mirrorfs::fs
