// Files whose content changes without a request: what changed is captured when it matters.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "fs/nodes/node_table.h"
#include "mirrorfs/footprint.h"
#include "mirrorfs/operation.h"

namespace mirrorfs::fs {

struct Filesystem;

/// Knows the files that are open in such a way, from before the kernel can use the handle until
/// RELEASE, and keeps each marked meanwhile (G1). Safe from any thread. Takes node locks: called
/// without any, except where it says so.
class Captures {
 public:
  /// A handle that may change the file unseen is about to be given out.
  void opened(Filesystem& fs, const NodeRef& node);
  /// It is gone. What it did is captured.
  void released(Filesystem& fs, const NodeRef& node);

  /// What changed unseen is in the stream when this returns: the file is going to be compared.
  void capture(Filesystem& fs, const NodeRef& node);
  void capture_all(Filesystem& fs);

  /// The mark stays where the file is. Under the node's lock, after a change of its names.
  void follow_name(Filesystem& fs, Node& node);

  [[nodiscard]] std::size_t size() const;

 private:
  struct Unseen {
    NodeRef node;
    // Guarded by the node's lock.
    std::uint32_t handles = 0;
    std::optional<Location> marked_at;
    std::shared_ptr<void> mark;
  };
  using UnseenRef = std::shared_ptr<Unseen>;

  [[nodiscard]] UnseenRef find(const Node& node) const;
  [[nodiscard]] std::vector<UnseenRef> all() const;
  static void mark(Filesystem& fs, Unseen& unseen);
  static void have_compared(Filesystem& fs, const NodeRef& node);

  mutable std::mutex mutex_;                             // a leaf
  std::unordered_map<std::uint64_t, UnseenRef> unseen_;  ///< by NodeId
};

}  // namespace mirrorfs::fs
