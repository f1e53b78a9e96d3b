// One entry on its way through reconcile_entry(): what the files of this folder share.
#pragma once

#include <optional>
#include <string>

#include "engine/ring/task.h"
#include "engine/tree/attributes.h"
#include "engine/tree/reconcile.h"
#include "mirrorfs/error.h"
#include "mirrorfs/metadata.h"

namespace mirrorfs::tree {

/// Lives in the frame of reconcile_entry(), which outlives every task given a reference to it.
struct Entry {
  Context& context;
  const DirectoryPair& directory;
  const std::string& name;
  const Policy& policy;
  Metadata source;                  ///< renewed when the object changes while it is copied
  std::optional<Metadata> replica;  ///< absent: nothing there (any more)

  void differs(std::string_view what) const { context.observer.difference(name, what); }
  /// In the replica.
  [[nodiscard]] Target target() const {
    return {directory.replica, name.c_str(), directory.hidden != nullptr};
  }
};

enum class Outcome {
  kEqual,     ///< nothing was to be done
  kChanged,   ///< the replica was changed (dry_run: would be)
  kVanished,  ///< the source object is gone or another one now: look again
};

/// What is known of one side before reconcile_entry(): nothing, that it is absent, or its metadata.
struct Known {
  bool looked = false;
  std::optional<Metadata> metadata;
};

/// reconcile_entry() for a caller who may know that a side is absent.
[[nodiscard]] ring::Task<Result<EntryResult>> reconcile_known(Context context,
                                                              DirectoryPair directory,
                                                              std::string name, Known source,
                                                              Known replica, Policy policy);

/// "file", "directory", "symlink", …
[[nodiscard]] const char* type_name(mode_t mode);

/// An error of opening a source name that means: not the object we knew.
[[nodiscard]] bool means_vanished(int code);

/// The replica object shares its inode with a name that must not change with it.
[[nodiscard]] bool wrongly_shared(const Entry& entry);

[[nodiscard]] ring::Task<Result<Outcome>> reconcile_file(Entry& entry);
/// Symlinks, FIFOs, sockets and devices.
[[nodiscard]] ring::Task<Result<Outcome>> reconcile_small(Entry& entry);
/// Either of them for an object with several names: made once, then linked.
[[nodiscard]] ring::Task<Result<Outcome>> reconcile_linked(Entry& entry);

/// Builds a file in staging and gives it its name.
[[nodiscard]] ring::Task<Result<Outcome>> publish_file(Entry& entry);
/// Owner, xattrs, mode and times from the open source file to the one made just now.
[[nodiscard]] Result<void> copy_attributes(const Entry& entry, int from, const Staged& to);

/// What is known of a source file after an attempt to copy it.
struct Sighting {
  std::optional<Metadata> seen;  ///< absent: it has to be looked at
  bool published = false;
  bool too_large = false;  ///< for a hidden directory; then nothing was tried
};

/// Copies a regular file that the replica lacks without a look at it before. Its one statx, after
/// the content was read, tells both the attributes and whether it stayed as it was: its ctime is
/// older than the copy, which counts only where stamps_with_our_clock(). Not published, or an
/// error: nothing happened, the ordinary way is to be taken.
[[nodiscard]] ring::Task<Result<Sighting>> copy_on_sight(Entry& entry);

/// Writes what differs into the replica's file.
[[nodiscard]] ring::Task<Result<Outcome>> update_file(Entry& entry);
/// Sets `which` on the replica's object, whatever its type.
[[nodiscard]] ring::Task<Result<Outcome>> update_attributes(Entry& entry, AttributeSet which,
                                                            const Xattrs& wanted,
                                                            const Xattrs& present);

/// Removes a directory of the replica with everything below. It leaves the tree at once, in one
/// rename.
[[nodiscard]] ring::Task<Result<void>> remove_tree(Context& context, int dirfd, const char* name);

/// For an ordinary user: gives the owner all rights on a directory that lacks some. True if it did.
[[nodiscard]] ring::Task<bool> open_up(Context& context, int dirfd);

}  // namespace mirrorfs::tree
