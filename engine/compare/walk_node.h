// The directories of an offline walk, and a bounded cache of their descriptors.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "engine/objects/dir_fd.h"
#include "engine/ring/task.h"
#include "mirrorfs/error.h"
#include "mirrorfs/metadata.h"

namespace mirrorfs::ring {
class Ring;
}

namespace mirrorfs::compare {

struct WalkNode;

/// Both sides of one directory; `replica` is not valid where it is missing (dry run).
struct OpenPair {
  objects::DirFd source, replica;
};

/// One directory between its discovery and the end of its last child. Ring thread.
struct WalkNode {
  std::shared_ptr<WalkNode> parent;  ///< null for the root
  std::string name;
  Metadata source;
  std::optional<Metadata> replica;  ///< as before the walk; absent: new
  bool missing = false;             ///< dry run: not there on the replica
  bool unchanged = false;           ///< it, and all above it (see UnchangedSince)
  bool touched = false;     ///< its entries, or its mode for the time of the walk, were changed
  std::size_t pending = 0;  ///< children not yet finished
  double share = 1;  ///< of the tree, see BaselineProgress; once listed, without the children

  std::shared_ptr<const OpenPair> open;  ///< owned by the cache
  std::list<WalkNode*>::iterator place;  ///< in the cache, while `open` is set
  /// Instead of `open`, while the replica's directory is built in the staging folder.
  std::shared_ptr<const OpenPair> hidden;

  ~WalkNode();
  /// Relative to the roots, of `entry` in this directory; of the directory itself for "".
  [[nodiscard]] std::string path_of(std::string_view entry) const;
};

/// Keeps the pairs used last. One that was closed is opened again from its nearest open ancestor;
/// since that brings all directories on the way back into the cache, a walk that comes up from
/// great depth reopens each of them about once. Ring thread; outlives the nodes.
class WalkDescriptors {
 public:
  WalkDescriptors(ring::Ring& ring, std::size_t most_pairs) : ring_(ring), most_(most_pairs) {}

  [[nodiscard]] ring::Task<Result<std::shared_ptr<const OpenPair>>> acquire(
      std::shared_ptr<WalkNode> node);
  /// The descriptors given are kept open whatever happens: the roots.
  static void pin(WalkNode& root, std::shared_ptr<const OpenPair> pair) {
    root.open = std::move(pair);
  }
  void drop(WalkNode& node);
  /// The directory has got its place.
  void unhide(WalkNode& node);

 private:
  [[nodiscard]] ring::Task<Result<void>> open_in(const WalkNode& parent, WalkNode& node);
  void insert(WalkNode& node, std::shared_ptr<const OpenPair> pair);

  ring::Ring& ring_;
  const std::size_t most_;
  std::list<WalkNode*> recent_;  // last used first
};

}  // namespace mirrorfs::compare
