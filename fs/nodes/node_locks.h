// The locks of several nodes, taken in one order.
#pragma once

#include <array>
#include <cstddef>
#include <initializer_list>

#include "fs/nodes/node.h"

namespace mirrorfs::fs {

/// Holds the locks of up to four nodes. Lock order: by NodeId, so two guards never wait for each
/// other. A thread holds one guard at a time; no lock is held across a reply, admit() or settle().
class NodeLocks {
 public:
  static constexpr std::size_t kMost = 4;

  /// Null and repeated nodes are skipped. The nodes stay the caller's and must outlive the guard.
  NodeLocks(std::initializer_list<Node*> nodes);
  explicit NodeLocks(const NodeRef& node) : NodeLocks({node.get()}) {}
  NodeLocks(const NodeLocks&) = delete;
  NodeLocks& operator=(const NodeLocks&) = delete;
  ~NodeLocks() { unlock(); }

  void unlock();

 private:
  std::array<Node*, kMost> nodes_{};
  std::size_t count_ = 0;
};

}  // namespace mirrorfs::fs
