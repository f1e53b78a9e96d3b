// A disk on which writes fail, or reads take their time, when a test says so.
#pragma once

#include <cstdint>
#include <memory>

#include "process.h"
#include "sandbox.h"

namespace mirrorfs::test {

/// A filesystem on a block device whose image is the one file of a FUSE filesystem, served from
/// memory by a process of the test's own. Declare it before the mirror that uses it: it has to be
/// there until the last page is written back. Throws when it cannot be made.
class UnreliableDisk {
 public:
  UnreliableDisk(Filesystem kind, std::uint64_t bytes);
  UnreliableDisk(const UnreliableDisk&) = delete;
  UnreliableDisk& operator=(const UnreliableDisk&) = delete;
  ~UnreliableDisk();

  /// Mounts the filesystem at an existing directory, for as long as that mount lasts.
  void mount_at(const Path& directory) const;

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

  TempDir directory_;
  Shared* shared_;  ///< in memory shared with the server
  ChildProcess server_;
};

/// Writes back the whole filesystem that the file is on, whatever that says, and lets the kernel
/// forget the file's content, so that it is read from the disk next time.
void forget_content(const Path& file);

}  // namespace mirrorfs::test
