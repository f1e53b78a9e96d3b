// One entry on its way through reconcile_entry(): what the files of this folder share.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/compare/reconcile.h"
#include "engine/copy/transfer.h"
#include "engine/ring/task.h"
#include "mirrorfs/error.h"
#include "mirrorfs/metadata.h"

namespace mirrorfs::compare {

/// Lives in the frame of reconcile_entry(), which outlives every task given a reference to it; so
/// do the arguments of the constructor.
struct EntryPair {
  EntryPair(const Context& its_context, const DirectoryPair& its_directory,
            const std::string& its_name, const Policy& its_policy)
      : context(its_context), directory(its_directory), name(its_name), policy(its_policy) {}
  EntryPair(const EntryPair&) = delete;
  EntryPair& operator=(const EntryPair&) = delete;

  const Context& context;
  const DirectoryPair& directory;
  const std::string& name;
  const Policy& policy;
  const copy::Context copying = context.copying();
  /// What is known of both sides, and the way to write the replica's.
  copy::Transfer transfer{
      .tools = copying,
      .place = {directory.source, directory.replica, directory.hidden != nullptr},
      .name = name,
      .source = {},
      .replica = {},
      .refused = {}};
  Metadata& source = transfer.source;
  std::optional<Metadata>& replica = transfer.replica;

  void differs(std::string_view what) const { context.observer.difference(name, what); }
};

enum class Reconciled {
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

/// Of a look at the replica: nothing has the name, or nothing can (too long, reserved).
[[nodiscard]] bool means_absent(int code);

/// Whether the directory lists this very name: what a filesystem that folds case shows under it may
/// have another one.
[[nodiscard]] ring::Task<Result<bool>> lists_name(ring::Ring& ring, int directory,
                                                  std::string name);

/// Where the replica's filesystem folds case: what it shows under the name may have another one,
/// which differs in case. Then `replica` becomes absent; ENOTUNIQ: the source has both names, and
/// the replica can have one; EBUSY: the other one is still to go.
[[nodiscard]] ring::Task<Result<void>> settle_case(const EntryPair& entry, const Known& source,
                                                   Known& replica);

/// "file", "directory", "symlink", …
[[nodiscard]] const char* type_name(mode_t mode);

/// The replica object shares its inode with a name that must not change with it.
[[nodiscard]] bool wrongly_shared(const EntryPair& entry);

[[nodiscard]] ring::Task<Result<Reconciled>> reconcile_file(EntryPair& entry);
/// Symlinks, FIFOs, sockets and devices.
[[nodiscard]] ring::Task<Result<Reconciled>> reconcile_small(EntryPair& entry);
/// Either of them for an object with several names: made once, then linked.
[[nodiscard]] ring::Task<Result<Reconciled>> reconcile_linked(EntryPair& entry);

/// Policy::same_object: the source has this very object under the name, and what was read by that
/// name was its. Without: not looked at, and true.
[[nodiscard]] ring::Task<Result<bool>> is_still_there(const EntryPair& entry);

/// Sets `which` on the replica's object and tells the observer. `wanted` was read by name.
[[nodiscard]] ring::Task<Result<Reconciled>> correct_attributes(EntryPair& entry,
                                                                objects::AttributeSet which,
                                                                const objects::Xattrs& wanted,
                                                                const objects::Xattrs& present);

}  // namespace mirrorfs::compare
