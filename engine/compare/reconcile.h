// Reconcile: make one entry, or one directory, of the replica equal to the source's, whatever both
// are.
//
// Everything here runs on the ring thread. A failure concerns its entry only: it is reported to
// the Observer, returned, and leaves nothing half-written under a real name.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/compare/context.h"
#include "engine/compare/observer.h"
#include "engine/compare/policy.h"
#include "engine/ring/task.h"
#include "mirrorfs/error.h"
#include "mirrorfs/metadata.h"
#include "mirrorfs/types.h"

namespace mirrorfs::compare {

struct EntryResult {
  std::optional<Metadata> source;  ///< absent when the source has no such entry (any more)
  /// source is a directory: its children and finish_directory are the caller's
  bool is_directory = false;
  bool created_directory = false;  ///< the replica's directory is new
  bool changed = false;            ///< the replica differed; its directory's times may have moved
  /// the replica's directory before any change; absent: created
  bool opened_up = false;  ///< an existing directory was given u+rwx: finish with `touched`
  std::optional<Metadata> replica_directory;
};

/// Makes the entry `name` of the replica directory equal to the source's. Absent on the source:
/// removed, with everything below. A directory is created (mode 0700) or, where the process needs
/// it, made accessible (u+rwx until finish_directory), not descended into, its attributes left to
/// finish_directory. Known metadata spares the statx: pass it only if it is of now. `changed` with
/// Policy::dry_run: would have been changed. A parent that is not writable for its owner is made so
/// and stays so until its finish_directory.
[[nodiscard]] ring::Task<Result<EntryResult>> reconcile_entry(
    Context context, DirectoryPair directory, std::string name,
    std::optional<Metadata> known_source, std::optional<Metadata> known_replica, Policy policy);

/// Owner, xattrs, mode and times of an object that is no directory and whose content is right. The
/// Observer is told what was refused. ENOENT: the replica has no such object.
[[nodiscard]] ring::Task<Result<void>> reconcile_attributes(Context context,
                                                            DirectoryPair directory,
                                                            std::string name, Metadata source);

struct ChildDirectory {
  std::string name;
  Metadata source;
  std::optional<Metadata> replica;  ///< before any change; absent: it is new
  bool opened_up = false;           ///< it was given u+rwx: finish with `touched`
  bool missing = false;             ///< with dry_run: there is no replica directory to descend into
};

struct EntryFailure {
  std::string name;
  Error error;
};

struct DirectoryResult {
  std::vector<ChildDirectory> children;  ///< sorted by name
  std::vector<std::string> deferred;
  std::vector<EntryFailure> failed;
  bool left_out = false;  ///< something that the source has is excluded
  /// something in the replica directory was: finish_directory must set its times
  bool changed = false;
};

/// True: leave this entry alone and return its name in `deferred`. `source` is null for what the
/// replica alone has, `replica` for what the source alone has.
using DeferPredicate =
    std::function<bool(const std::string& name, const Metadata* source, const Metadata* replica)>;

/// One directory, not recursive: lists both sides, reconciles entries concurrently, removes what
/// the source lacks. `skip_reserved`: leave kReservedName alone on both sides (the roots). Fails as
/// a whole only when a directory cannot be listed.
[[nodiscard]] ring::Task<Result<DirectoryResult>> reconcile_directory(Context context,
                                                                      DirectoryPair directory,
                                                                      Policy policy,
                                                                      DeferPredicate defer,
                                                                      bool skip_reserved);

struct FinishOptions {
  std::optional<Metadata> source;   ///< as of now; absent: asked for
  std::optional<Metadata> replica;  ///< as before the children were worked on; absent: asked for
  bool created = false;             ///< the replica is new: set everything
  /// its entries were changed: set mode and times whatever `replica` says
  bool touched = false;
};

/// Owner, xattrs, mode and times of the directory itself, after its children. `name` is for the
/// Observer, which is told what was refused. Returns whether anything differed.
[[nodiscard]] ring::Task<Result<bool>> finish_directory(Context context, DirectoryPair directory,
                                                        std::string name, FinishOptions options,
                                                        Policy policy);

}  // namespace mirrorfs::compare
