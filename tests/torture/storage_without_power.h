// Filesystems whose power can be cut.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "sandbox.h"

namespace mirrorfs::test {

/// Filesystems that lose what was not synced when a test says so, all at one moment.
class StorageWithoutPower {
 public:
  StorageWithoutPower() = default;
  StorageWithoutPower(const StorageWithoutPower&) = delete;
  StorageWithoutPower& operator=(const StorageWithoutPower&) = delete;
  virtual ~StorageWithoutPower() = default;

  virtual void mount(unsigned number, const Path& directory) = 0;
  /// What is mounted there is dead from now on.
  virtual void cut(std::uint64_t seed, const std::vector<Path>& directories) = 0;
};

/// On disks of the tests' own, which keep a part of what was not synced.
[[nodiscard]] std::unique_ptr<StorageWithoutPower> disks_without_power(Filesystem kind,
                                                                       unsigned count);
/// On loop devices, by the filesystem's own shutdown without its log: ext4 or XFS. Nothing that was
/// not synced is kept but what was written back by itself.
[[nodiscard]] std::unique_ptr<StorageWithoutPower> filesystems_that_shut_down(Filesystem kind,
                                                                              unsigned count);

}  // namespace mirrorfs::test
