#include "mirrorfs/metadata.h"

#include <sys/sysmacros.h>

namespace mirrorfs {
namespace {

timespec to_timespec(const statx_timestamp& stamp) {
  timespec time{};
  time.tv_sec = static_cast<time_t>(stamp.tv_sec);
  time.tv_nsec = static_cast<long>(stamp.tv_nsec);
  return time;
}

}  // namespace

Metadata Metadata::from(const struct statx& raw) {
  Metadata metadata;
  metadata.mode = raw.stx_mode;
  metadata.uid = raw.stx_uid;
  metadata.gid = raw.stx_gid;
  metadata.nlink = raw.stx_nlink;
  metadata.size = raw.stx_size;
  metadata.blocks = raw.stx_blocks;
  metadata.ino = raw.stx_ino;
  metadata.dev = makedev(raw.stx_dev_major, raw.stx_dev_minor);
  metadata.rdev = makedev(raw.stx_rdev_major, raw.stx_rdev_minor);
  metadata.block_size = raw.stx_blksize;
  metadata.atime = to_timespec(raw.stx_atime);
  metadata.mtime = to_timespec(raw.stx_mtime);
  metadata.ctime = to_timespec(raw.stx_ctime);
  // Without STATX_BTIME in the answer the field is not defined (statx(2)).
  if ((raw.stx_mask & STATX_BTIME) != 0) metadata.btime = to_timespec(raw.stx_btime);
  metadata.attributes = raw.stx_attributes & raw.stx_attributes_mask;
  return metadata;
}

Metadata Metadata::with_unknown_times() {
  Metadata metadata;
  metadata.times_known = false;
  return metadata;
}

ObjectId Metadata::id() const {
  constexpr std::int64_t kNanosecondsPerSecond = 1'000'000'000;
  // Unsigned, so that a corrupt birth time wraps instead of overflowing.
  const auto seconds = static_cast<std::uint64_t>(btime.tv_sec);
  const auto nanoseconds = static_cast<std::uint64_t>(btime.tv_nsec);
  return {dev, ino, static_cast<std::int64_t>(seconds * kNanosecondsPerSecond + nanoseconds)};
}

}  // namespace mirrorfs
