#include "engine/objects/file_clock.h"

#include <linux/magic.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "engine/objects/filesystem_types.h"

namespace mirrorfs::objects {
namespace {

constexpr std::array<std::uint32_t, 10> kLocal = {
    EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC,    TMPFS_MAGIC,    F2FS_SUPER_MAGIC,
    RAMFS_MAGIC,      kZfsMagic,       EROFS_SUPER_MAGIC_V1, SQUASHFS_MAGIC, kBcachefsMagic};

constexpr time_t kMargin = 2;  // seconds; a tick would do

}  // namespace

bool stamps_with_our_clock(int fd) {
  struct statfs filesystem{};
  if (::fstatfs(fd, &filesystem) != 0) return false;
  const auto type = static_cast<std::uint32_t>(filesystem.f_type);
  return std::ranges::find(kLocal, type) != kLocal.end();
}

timespec file_time_now() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  now.tv_sec -= kMargin;
  return now;
}

}  // namespace mirrorfs::objects
