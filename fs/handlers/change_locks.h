// The locks of a change, taken when the engine knows the directories that the change will name.
#pragma once

#include <array>
#include <initializer_list>
#include <optional>

#include "fs/handlers/filesystem.h"

namespace mirrorfs::fs {

/// Like NodeLocks; what was seen of the objects is not to be trusted any more. Before they are
/// taken, the engine is told of each directory at or above `named` that it has not heard of:
/// top-down, each under its own lock, which orders renames of it. A rename may undo that before the
/// locks are held: then all is done again.
class ChangeLocks {
 public:
  ChangeLocks(Filesystem& fs, std::initializer_list<Node*> locked,
              std::initializer_list<const NodeRef*> named);
  /// Of one object that changes where it is.
  ChangeLocks(Filesystem& fs, const NodeRef& node) : ChangeLocks(fs, {node.get()}, {&node}) {}
  ChangeLocks(const ChangeLocks&) = delete;
  ChangeLocks& operator=(const ChangeLocks&) = delete;
  ~ChangeLocks() { unlock(); }

  void unlock();

  /// Of the one object: what was seen of it until now. Who can tell what the change did gives it
  /// back (keep_seen()).
  [[nodiscard]] std::unique_ptr<SeenAttributes> take_seen() { return std::move(seen_); }

 private:
  Filesystem& fs_;
  std::array<Node*, NodeLocks::kMost> changed_{};
  std::unique_ptr<SeenAttributes> seen_;  ///< of the first; those of all others are dropped
  std::optional<NodeLocks> locks_;
};

/// The engine is told of each directory at or above the node that it has not heard of.
void tell_of_directories(Filesystem& fs, const NodeRef& node);

/// The engine is to compare the file with this node. Under its lock; `fd` is of it.
void have_compared(Filesystem& fs, const NodeRef& node, int fd);

/// To the footprint of what changes the object under the name `but`, or takes that name from it:
/// what else the object is called, if the journal has to outlive a power cut. Under its lock, with
/// what the object was like before.
void add_other_names(const Filesystem& fs, Footprint& footprint, const NodeRef& node,
                     const Metadata& metadata, const Location& but);

/// What a change of the object's content or attributes may touch. Under its lock; `fd` is of it.
[[nodiscard]] Footprint footprint_of(Filesystem& fs, const NodeRef& node, int fd);

}  // namespace mirrorfs::fs
