// Places for a test to work in, which vanish with it: the test program runs in a mount namespace of
// its own (as root), so even a test that is killed leaves no mount and no loop device behind.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "calls.h"

namespace mirrorfs::test {

/// A fresh directory below $TMPDIR; removed, with all mounts below it, when destroyed.
class TempDir {
 public:
  TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir();
  [[nodiscard]] const Path& path() const { return path_; }

 private:
  Path path_;
};

enum class Filesystem {
  kFolder,  ///< whatever $TMPDIR is on
  kTmpfs,
  kExt4,
  kXfs,
  kBtrfs,
};
[[nodiscard]] std::string to_string(Filesystem kind);

/// A filesystem of its own at `mount_point`: tmpfs, or one made in a file and mounted through a
/// loop device. Unmounted (lazily) when destroyed; the loop device frees itself then.
class OwnFilesystem {
 public:
  OwnFilesystem(Filesystem kind, Path mount_point, std::uint64_t bytes);
  OwnFilesystem(const OwnFilesystem&) = delete;
  OwnFilesystem& operator=(const OwnFilesystem&) = delete;
  ~OwnFilesystem();
  void remount(const std::string& options) const;  ///< throws

 private:
  Path mount_point_;
};

/// Nothing below `root` can be changed while this lives (chattr(1), so ext4, xfs or btrfs): a tree
/// that has become read-only. A remount to read-only is refused while files are open for writing.
class UnchangeableTree {
 public:
  explicit UnchangeableTree(Path root);
  UnchangeableTree(const UnchangeableTree&) = delete;
  UnchangeableTree& operator=(const UnchangeableTree&) = delete;
  ~UnchangeableTree();

 private:
  Path root_;
};

/// One line of /proc/self/mountinfo.
struct MountLine {
  unsigned device_minor = 0;
  std::string mount_point, type;
};
/// The topmost mount at exactly this path, without touching it: a dead mount hangs no one.
[[nodiscard]] std::optional<MountLine> mount_at(const Path& mount_point);

/// Detaches everything mounted at or below `path`, last first.
void unmount_all_below(const Path& path);

/// Why tests that need root, FUSE and loop devices cannot run here; empty when they can.
[[nodiscard]] std::string missing_for_mounts();

#define MIRRORFS_SKIP_UNLESS_MOUNTS_WORK() \
  if (const auto why = mirrorfs::test::missing_for_mounts(); !why.empty()) GTEST_SKIP() << why

}  // namespace mirrorfs::test
