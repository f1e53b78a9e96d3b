#include "fs/nodes/kept_values.h"

#include <linux/magic.h>
#include <sys/utsname.h>
#include <sys/vfs.h>

#include <charconv>
#include <cstdint>
#include <system_error>

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

// Linux 6.13, FS_MGTIME of btrfs, ext4, tmpfs and xfs.
bool stamps_finely(std::string_view kernel_release) {
  unsigned major = 0, minor = 0;
  const char* const end = kernel_release.data() + kernel_release.size();
  const auto first = std::from_chars(kernel_release.data(), end, major);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != '.') return false;
  if (std::from_chars(first.ptr + 1, end, minor).ec != std::errc()) return false;
  return major > 6 || (major == 6 && minor >= 13);
}

bool kernel_stamps_finely() {
  utsname names{};
  return ::uname(&names) == 0 && stamps_finely(names.release);
}

bool is_within_every_range(const timespec& time) {
  return time.tv_sec >= 0 && time.tv_sec < INT32_MAX;
}

}  // namespace mirrorfs::fs
