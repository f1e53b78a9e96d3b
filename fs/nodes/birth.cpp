#include "fs/nodes/birth.h"

#include <linux/magic.h>
#include <sys/utsname.h>
#include <sys/vfs.h>

#include <cstdint>
#include <cstdio>

#include "mirrorfs/metadata.h"

namespace mirrorfs::fs {
namespace {

#ifndef XFS_SUPER_MAGIC
constexpr long XFS_SUPER_MAGIC = 0x58465342;  // in linux/magic.h since Linux 5.13
#endif

// Linux 6.13, Documentation/filesystems/multigrain-ts.rst.
bool has_fine_times(const char* kernel_release) {
  int major = 0;
  int minor = 0;
  if (std::sscanf(kernel_release, "%d.%d", &major, &minor) != 2) return false;
  return major > 6 || (major == 6 && minor >= 13);
}

}  // namespace

bool may_repeat_identity(long filesystem_type, const char* kernel_release) {
  switch (filesystem_type) {
    case BTRFS_SUPER_MAGIC:
    case TMPFS_MAGIC: return false;  // numbers count up
    case EXT4_SUPER_MAGIC:
    case XFS_SUPER_MAGIC: return !has_fine_times(kernel_release);
    default: return true;
  }
}

bool may_repeat_identity(int root) {
  struct statfs status{};
  utsname kernel{};
  if (::fstatfs(root, &status) != 0 || ::uname(&kernel) != 0) return true;
  return may_repeat_identity(static_cast<long>(status.f_type), kernel.release);
}

void wait_until_after(const timespec& birth) {
  constexpr timespec kNap{.tv_sec = 0, .tv_nsec = 500'000};
  constexpr std::int64_t kLongestTick = 10'000'000;  // ns, with CONFIG_HZ=100
  for (std::int64_t slept = 0; slept <= kLongestTick; slept += kNap.tv_nsec) {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME_COARSE, &now);  // the clock of file times
    if (is_before(birth, now)) return;
    ::nanosleep(&kNap, nullptr);
  }
}

}  // namespace mirrorfs::fs
