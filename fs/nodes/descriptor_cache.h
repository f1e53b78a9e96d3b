// A bounded number of descriptors of nodes, the least recently used given up first.
#pragma once

#include <cstddef>
#include <list>
#include <memory>

#include "fs/nodes/node.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::fs {

/// Shared: a descriptor given up by the cache stays open while a request uses it.
using SharedFd = std::shared_ptr<const UniqueFd>;

struct CachedDescriptor {
  Node* node = nullptr;
  SharedFd fd;
  bool pinned = false;  ///< never given up: the object was removed
  bool lent = false;    ///< of an open file, and not O_PATH
  std::list<CachedDescriptor>::iterator place;
};

/// Not thread-safe: the node table's mutex guards it.
class DescriptorCache {
 public:
  DescriptorCache(std::size_t limit, bool keep_handles)
      : limit_(limit), keep_handles_(keep_handles) {}

  /// Null when none is cached.
  [[nodiscard]] SharedFd find(const Node& node);

  /// Descriptors to be closed after the mutex is released.
  using GivenUp = std::list<CachedDescriptor>;

  enum class Kind { kOwn, kLent };
  /// Keeps `fd`. What had to be given up for it is moved to `given_up`.
  void insert(Node& node, SharedFd fd, GivenUp& given_up, Kind kind = Kind::kOwn);

  [[nodiscard]] bool is_lent(const Node& node) const;
  /// Gives up `fd` if it was lent.
  void take_back(Node& node, const SharedFd& fd, GivenUp& given_up) noexcept;

  /// Keeps the node's cached descriptor until the node goes.
  void pin(Node& node);

  /// Gives up the descriptor of a node that goes.
  void remove(Node& node, GivenUp& given_up) noexcept;

  [[nodiscard]] std::size_t size() const { return recent_.size(); }
  /// More than half as many again belong to removed objects.
  [[nodiscard]] bool too_many_removed() const { return pinned_.size() > limit_ / 2; }

 private:
  std::size_t limit_;
  bool keep_handles_;
  std::list<CachedDescriptor> recent_;  ///< most recently used first
  std::list<CachedDescriptor> pinned_;
};

}  // namespace mirrorfs::fs
