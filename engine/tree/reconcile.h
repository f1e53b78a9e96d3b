// Reconcile: make one entry, or one directory, of the replica equal to the source's, whatever both
// are.
//
// Everything here runs on the ring thread. A failure is a failure of its entry: it is told to the
// Observer, returned, and leaves nothing half-written under a real name.
#pragma once

#include <time.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/ring/sync.h"
#include "engine/ring/task.h"
#include "engine/tree/content.h"
#include "engine/tree/hardlinks.h"
#include "engine/tree/rights.h"
#include "engine/tree/staging.h"
#include "mirrorfs/error.h"
#include "mirrorfs/metadata.h"
#include "mirrorfs/tree_tools.h"
#include "mirrorfs/types.h"

namespace mirrorfs::ring {
class Ring;
}

namespace mirrorfs::tree {

enum class Compare {
  kQuick,  ///< type, size, mtime, mode, owner, rdev, link target and xattrs decide
  kFull,   ///< and content
};

struct Policy {
  Compare compare = Compare::kQuick;
  bool dry_run = false;  ///< only report differences; nothing is written
  /// A source file whose ctime is at or after this is compared by content even in kQuick. Zero:
  /// off.
  timespec changed_since{};
  /// Files on this device that the replica lacks are copied before they are looked at; its
  /// filesystem stamps_with_our_clock(). Without effect on a directory with a DeferPredicate.
  std::optional<dev_t> sight_device{};
  /// Of objects that are settled only what statx(2) tells is compared, where
  /// DirectoryPair::settled. Not together with changed_since.
  std::optional<SettledBefore> settled_before{};
  /// A directory that the replica lacks is not made: the caller does, as a HiddenDirectory.
  bool hide_new_directories = false;
  /// A large file, and one with several names, that is there already is changed where it stands;
  /// else it is replaced as a whole, so that an interruption never leaves half a file.
  bool update_in_place = true;
};

/// Hears what happens, for status and reports. Names are relative to the directory worked on.
class Observer {
 public:
  virtual ~Observer() = default;
  /// A source directory was listed: so many names.
  virtual void listed(std::size_t names) { (void)names; }
  /// A source object was looked at.
  virtual void seen(const Metadata& source) { (void)source; }
  /// Something is mounted on an object of the replica.
  virtual void replica_is_covered() {}
  /// Before or after seen(): so many bytes more, or less, have to be read than seen() told.
  virtual void expected(std::int64_t bytes) { (void)bytes; }
  /// Work on a source object ended well (dry_run: it was compared).
  virtual void reconciled(const Metadata& source) { (void)source; }
  /// The replica differs there (and is made equal unless dry_run).
  virtual void difference(std::string_view name, std::string_view what) { (void)name, (void)what; }
  virtual void created(std::string_view name) { (void)name; }
  virtual void removed(std::string_view name) { (void)name; }
  virtual void attributes_set(std::string_view name) { (void)name; }
  /// The content of a file was written: `bytes` of it.
  virtual void copied(std::string_view name, std::uint64_t bytes) { (void)name, (void)bytes; }
  virtual void failed(std::string_view name, const Error& error) { (void)name, (void)error; }
};

/// Bounds on what is under way on one ring, shared by all directories and entries. Ring thread.
struct Limits {
  static constexpr std::size_t kFewestEntries = 4;  ///< however little there is
  static constexpr std::size_t kPieces = 32;
  ring::Semaphore entries{96};  ///< objects in flight: up to two descriptors each
  PieceBudget pieces{kPieces};  ///< memory: kPieceSize each
  /// Files read in one go, before their size is known; as many as entries, so nobody waits for one.
  PieceBudget sights{96, kSmallFile};
};

/// What every function here needs; a value of references, cheap to copy. `staging` may be null when
/// every policy used is dry_run.
struct Context {
  ring::Ring& ring;
  Staging* staging;
  HardlinkMap& hardlinks;
  Observer& observer;
  Limits& limits;
  Rights rights;
};

/// A directory that is built where nobody sees it, so that what is made in it can have its real
/// name at once.
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
  bool settled = false;               ///< it, and all above it (see SettledBefore)
};

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
  /// something in the replica directory was: finish_directory must set its times
  bool changed = false;
};

/// True: leave this entry alone and return its name in `deferred`. `source` is null for what the
/// replica alone has, `replica` for what the source alone has.
using DeferPredicate = std::function<bool(const std::string& name, const Metadata* source,
                                          const Metadata* replica)>;

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
/// Observer. Returns whether anything differed.
[[nodiscard]] ring::Task<Result<bool>> finish_directory(Context context, DirectoryPair directory,
                                                        std::string name, FinishOptions options,
                                                        Policy policy);

}  // namespace mirrorfs::tree
