// What one statx tells about an object; carried along so that nobody asks again.
#pragma once

#include <linux/stat.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

#include <cstdint>

#include "mirrorfs/types.h"

namespace mirrorfs {

struct Metadata {
  /// The statx mask every caller asks for (linux/stat.h, Linux 4.11).
  static constexpr unsigned kStatxMask = STATX_BASIC_STATS | STATX_BTIME;

  mode_t mode = 0;  ///< type and permission bits, as st_mode
  uid_t uid = 0;
  gid_t gid = 0;
  std::uint32_t nlink = 0;
  std::uint64_t size = 0;    ///< bytes
  std::uint64_t blocks = 0;  ///< 512-byte units
  std::uint64_t ino = 0;
  dev_t dev = 0;
  dev_t rdev = 0;
  std::uint32_t block_size = 0;
  timespec atime{}, mtime{}, ctime{}, btime{};
  std::uint64_t attributes = 0;  ///< STATX_ATTR_*
  /// False: the object was changed since it was seen, and its times are to be looked at when they
  /// are needed.
  bool times_known = true;

  [[nodiscard]] static Metadata from(const struct statx& raw);
  /// Of a directory in which something was made, removed or renamed, and which nobody looked at.
  [[nodiscard]] static Metadata with_unknown_times();

  [[nodiscard]] ObjectId id() const;
  [[nodiscard]] mode_t type() const { return mode & S_IFMT; }
  [[nodiscard]] mode_t permissions() const { return mode & 07777; }
  [[nodiscard]] bool is_directory() const { return S_ISDIR(mode); }
  [[nodiscard]] bool is_regular() const { return S_ISREG(mode); }
  [[nodiscard]] bool is_symlink() const { return S_ISLNK(mode); }
};

[[nodiscard]] inline bool same_time(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

[[nodiscard]] inline bool is_before(const timespec& a, const timespec& b) {
  return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

}  // namespace mirrorfs
