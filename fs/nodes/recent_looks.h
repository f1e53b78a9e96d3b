// Looks at directories that are being filled, the latest few.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

#include "fs/nodes/node.h"

namespace mirrorfs::fs {

/// What SeenAttributes are to a file that is written: kept here and not in the node, because nobody
/// says when a directory is complete, and there may be millions. What is kept of a node is kept and
/// taken under its lock; members are safe from any thread.
class RecentLooks {
 public:
  static constexpr std::size_t kMost = 64;

  /// The one that was kept longest ago gives way.
  void keep(NodeId id, std::unique_ptr<SeenAttributes> seen);
  /// Null when nothing is kept of the node (any more).
  [[nodiscard]] std::unique_ptr<SeenAttributes> take(NodeId id);

 private:
  struct Slot {
    NodeId id;
    std::unique_ptr<SeenAttributes> seen;
    std::uint64_t kept = 0;  ///< when, in calls of keep()
  };

  std::mutex mutex_;
  std::uint64_t calls_ = 0;
  std::array<Slot, kMost> slots_;
};

}  // namespace mirrorfs::fs
