// What every function here needs, and the directory it works in.
#pragma once

#include <string>

#include "engine/compare/boundaries.h"
#include "engine/compare/observer.h"
#include "engine/copy/context.h"
#include "engine/ring/task.h"
#include "mirrorfs/error.h"
#include "mirrorfs/types.h"

namespace mirrorfs::compare {

/// A value of references, cheap to copy. `staging` may be null when every policy used is
/// dry_run.
struct Context {
  ring::Ring& ring;
  replica::Writer& writer;
  copy::Staging* staging;
  copy::HardlinkMap& hardlinks;
  Observer& observer;
  copy::Limits& limits;
  objects::Rights rights;
  const Boundaries* boundaries = nullptr;         ///< none: everything is mirrored
  const exclude::Exclusion* exclusion = nullptr;  ///< none: nothing is excluded

  /// The same without the observer: what copying needs.
  [[nodiscard]] copy::Context copying() const {
    return {ring, writer, staging, hardlinks, limits, rights, exclusion};
  }
};

/// A directory that is built out of sight, so that what is made in it can have its real name at
/// once.
class HiddenDirectory {
 public:
  virtual ~HiddenDirectory() = default;
  /// Gives it its place in the replica. Called once, when nothing in it is half done.
  [[nodiscard]] virtual ring::Task<Result<void>> publish() = 0;
};

/// One directory on both sides. The descriptors stay the caller's and outlive the task.
struct DirectoryPair {
  ObjectId id;  ///< of the source directory
  int source = -1;
  int replica = -1;                   ///< -1: not there (only with dry_run)
  HiddenDirectory* hidden = nullptr;  ///< the replica's is new and not in its place yet
  bool unchanged = false;             ///< it, and all above it (see UnchangedSince)
  std::string path = {};              ///< from the roots; only where Exclusion::needs_paths()
};

}  // namespace mirrorfs::compare
