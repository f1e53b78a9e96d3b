// Disks on which writes fail, reads take their time, or power is cut when a test says so.
#pragma once

#include <cstdint>
#include <memory>

#include "process.h"
#include "sandbox.h"

namespace mirrorfs::test {

/// Filesystems on block devices whose images are the files of a FUSE filesystem, served from memory
/// by a process of the test's own: one, or several that lose power together. Declare it before the
/// mirror that uses it: it has to be there until the last page is written back. Throws when it
/// cannot be made.
class UnreliableDisk {
 public:
  UnreliableDisk(Filesystem kind, std::uint64_t bytes, unsigned disks = 1);
  UnreliableDisk(const UnreliableDisk&) = delete;
  UnreliableDisk& operator=(const UnreliableDisk&) = delete;
  ~UnreliableDisk();

  /// Mounts the filesystem of a disk at an existing directory, for as long as that mount lasts.
  void mount_at(const Path& directory, unsigned disk = 0) const;

  /// All disks lose what was not synced, or a part of it that the seed draws, at one moment. What
  /// is mounted gets EIO from then on; unmount it and mount it again.
  void cut_power(std::uint64_t seed) const;

  /// While this is on, a block written that consists of kDoomed alone fails with EIO. A
  /// filesystem's own blocks never look like that, so that it goes on working.
  static constexpr char kDoomed = 'Q';
  void fail_doomed_writes(bool on) const;
  /// How many writes have failed.
  [[nodiscard]] std::uint64_t failed_writes() const;

  /// Every read of the device (of up to 128 KiB) takes this much longer. Others are not held up.
  void slow_down_reads(std::chrono::milliseconds delay) const;

 private:
  struct Shared;
  class Server;
  static Shared* map_shared();

  [[nodiscard]] Path image(unsigned disk) const;

  TempDir directory_;
  Shared* shared_;  ///< in memory shared with the server
  ChildProcess server_;
};

/// Writes back the whole filesystem that the file is on, whatever that says, and lets the kernel
/// forget the file's content, so that it is read from the disk next time.
void forget_content(const Path& file);

}  // namespace mirrorfs::test
