#include "fs/nodes/node_locks.h"

#include <algorithm>
#include <cassert>

namespace mirrorfs::fs {

NodeLocks::NodeLocks(std::initializer_list<Node*> nodes) {
  assert(nodes.size() <= kMost);
  for (Node* const node : nodes) {
    if (node != nullptr) nodes_[count_++] = node;
  }
  const auto begin = nodes_.begin();
  const auto end = begin + static_cast<std::ptrdiff_t>(count_);
  std::sort(begin, end, [](const Node* a, const Node* b) { return a->id() < b->id(); });
  count_ = static_cast<std::size_t>(std::unique(begin, end) - begin);
  for (std::size_t i = 0; i < count_; ++i) nodes_[i]->mutex_.lock();
}

void NodeLocks::unlock() {
  while (count_ > 0) nodes_[--count_]->mutex_.unlock();
}

}  // namespace mirrorfs::fs
