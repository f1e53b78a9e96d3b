// The last descriptors of objects that were removed, which take their time to close.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <thread>

#include "fs/nodes/descriptor_cache.h"

namespace mirrorfs::fs {

/// Closing the last descriptor of a removed object frees its blocks: milliseconds on a filesystem
/// that discards them at once. The thread that the kernel tells of forgotten nodes must not pay for
/// it: while it closes one, the applications remove more, and descriptors run out. So another
/// thread closes them, and who removes faster than that closes some too (make_room()): a removal
/// costs what it costs in the source, at the latest a few removals later. Members are safe from any
/// thread.
class RemovedDescriptors {
 public:
  /// As many as may wait to be closed.
  static constexpr std::size_t kMost = 256;

  RemovedDescriptors();
  RemovedDescriptors(const RemovedDescriptors&) = delete;
  RemovedDescriptors& operator=(const RemovedDescriptors&) = delete;
  /// Closes what is left.
  ~RemovedDescriptors();

  /// Closes what leads to an object that has a name, and leaves the rest to the thread.
  void close(DescriptorCache::GivenUp given_up) noexcept;

  /// Before a removal, and holding no lock: closes descriptors until no more than kMost wait.
  void make_room() noexcept;

  [[nodiscard]] std::size_t waiting() const;

 private:
  void loop() noexcept;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  DescriptorCache::GivenUp waiting_;
  bool stopping_ = false;
  std::thread thread_;  ///< last: it uses the others
};

}  // namespace mirrorfs::fs
