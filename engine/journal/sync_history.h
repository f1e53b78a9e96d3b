// What the last sync of a pair leaves for the next one: which objects need no second look at their
// extended attributes.
#pragma once

#include <time.h>

#include <cstdint>
#include <optional>
#include <string>

#include "engine/journal/pairing.h"
#include "mirrorfs/error.h"
#include "mirrorfs/tree_tools.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::journal {

/// A file in the replica's reserved directory, written when a sync ended with nothing failed. It
/// says of this pair: objects with ctimes before these times were equal, and any change of
/// one of them, its name or its extended attributes gives it a later ctime. That holds for ext4,
/// XFS and tmpfs, as long as neither is mounted anew, the machine not rebooted and its clock not
/// set. If one of these happened, or cannot be ruled out (the unique id of a mount: Linux 6.8),
/// nothing is known.
class SyncHistory {
 public:
  /// The clock that stamps files, or one that is never ahead of it.
  [[nodiscard]] static timespec clock();

  /// Start-up. `began`: the clock before the sync looked at anything, the roots included. What is
  /// changed later is not covered by what it records. `trusted_xattrs`: whether this process sees
  /// the attributes that only root does.
  SyncHistory(const timespec& began, const TreeRoot& source, const TreeRoot& replica,
              bool trusted_xattrs);

  /// What an earlier sync recorded, if it still holds.
  [[nodiscard]] std::optional<UnchangedSince> unchanged_since(const Pairing& pairing) const;

  /// After the sync. With `pass_own_changes` it waits until the clock that stamps files has passed
  /// the sync's own changes (some 10 ms), so that the next sync can trust those too; otherwise they
  /// are looked at again. Nothing is recorded if anything was mounted or
  /// unmounted meanwhile: the sync may have walked what an unmount uncovers. Not synced to the
  /// disk: it means nothing after the next boot.
  [[nodiscard]] Result<void> record(const Pairing& pairing, bool pass_own_changes) const;

 private:
  /// What must be the same then and now.
  struct Circumstances {
    std::string boot;
    std::int64_t clock_offset = 0;  ///< ns, CLOCK_REALTIME less CLOCK_BOOTTIME
    std::uint64_t source_mount = 0, replica_mount = 0;
    std::uint64_t user_namespace = 0;  ///< another one may hide attributes, and map the ids in ACLs
    bool trusted_xattrs = false;

    /// Whether what was recorded under `then` holds now.
    [[nodiscard]] bool allow(const Circumstances& then) const;
  };

  [[nodiscard]] static std::optional<Circumstances> now(const TreeRoot& source,
                                                        const TreeRoot& replica);

  [[nodiscard]] bool mounts_have_changed() const;

  std::optional<Circumstances> circumstances_;
  UniqueFd mounts_;  ///< /proc/self/mountinfo
  const timespec began_;
};

}  // namespace mirrorfs::journal
