// Which replica belongs to which source (G8): what is decided before anything is changed, the
// pairing record, the locks. Start-up only.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/journal/pair_record.h"
#include "engine/journal/replica_clock.h"
#include "engine/journal/roles.h"
#include "engine/journal/tree_root.h"
#include "mirrorfs/error.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::journal {

/// The replica's reserved directory, locked and paired with the source.
class Pairing {
 public:
  struct Request {
    bool adopt = false;
    /// Applications will write to the source: nobody else may mirror it, and a source that was a
    /// replica is one no more.
    bool mounts = false;
    /// Filesystems mounted in the source are not mirrored; a sync goes by the pair's record.
    std::optional<bool> one_file_system = {};
    /// What is excluded; a sync may go by the pair's record.
    std::optional<std::vector<std::string>> exclude = {};
    int state_directory = -1;  ///< -1: nothing is known of disks that are not mounted
    /// Called under the locks and before anything is recorded, with the replica's reserved
    /// directory: may complete the ruling's record, or refuse.
    std::function<StartUp<void>(int reserved_directory, Ruling& ruling)> examine = {};
  };

  /// Decides without changing anything. The descriptors stay the caller's.
  [[nodiscard]] static StartUp<Ruling> decide(const TreeRoot& source, const TreeRoot& replica,
                                              const Request& request);
  /// Takes the locks and writes the record that was decided on. Refuses when another process holds
  /// a lock, or has changed the record meanwhile; then nothing is changed but that the replica may
  /// have a reserved directory.
  [[nodiscard]] static StartUp<Pairing> take(const TreeRoot& source, const TreeRoot& replica,
                                             const Request& request, Ruling ruling);
  /// Both.
  [[nodiscard]] static StartUp<Pairing> acquire(const TreeRoot& source, const TreeRoot& replica,
                                                const Request& request);

  /// Identifies the pair across restarts: names the state file.
  [[nodiscard]] const std::string& id() const { return record_.pair_id; }
  /// False: the replica was empty, or has just been adopted; nothing is known of its content.
  [[nodiscard]] bool was_paired() const { return was_paired_; }
  /// As it was found, or as it was decided on.
  [[nodiscard]] const PairRecord& record() const { return record_; }
  [[nodiscard]] Ruling::Kind kind() const { return kind_; }
  /// The replica is the very directory that its last session wrote to, not a copy of it.
  [[nodiscard]] bool same_replica() const { return same_replica_; }
  /// The replica's filesystem holds, or need hold, other attributes than in the last session: what
  /// was equal then may not be any more.
  [[nodiscard]] bool fidelity_changed() const { return fidelity_changed_; }
  /// Since the trees were last compared in full other things were excluded: of those that were,
  /// nothing is known.
  [[nodiscard]] bool exclusion_changed() const { return !record_.exclude_before.empty(); }
  /// Asked for with Request::mounts.
  [[nodiscard]] bool mounts() const { return mounts_; }
  [[nodiscard]] int reserved_directory() const { return reserved_.get(); }
  /// Somebody else may work with the trees from now on.
  void give_up_locks() { locks_.clear(); }
  /// Asked for a mount where there is nothing to adopt: one line for the user.
  [[nodiscard]] std::optional<std::string> needless_adopt() const;

 private:
  Pairing() = default;
  [[nodiscard]] StartUp<void> lock_source(const TreeRoot& source);
  [[nodiscard]] StartUp<void> lock_replica(const TreeRoot& replica);
  [[nodiscard]] StartUp<void> write_first_record();
  [[nodiscard]] StartUp<void> record_exclusion(std::optional<PairRecord> found);
  [[nodiscard]] StartUp<void> examine(const TreeRoot& replica, const Request& request,
                                      Ruling& ruling);
  UniqueFd reserved_, source_reserved_;
  std::vector<UniqueFd> locks_;
  PairRecord record_;
  Ruling::Kind kind_ = Ruling::Kind::kNewPair;
  bool was_paired_ = false;
  bool same_replica_ = false;
  bool mounts_ = false;
  bool asked_to_adopt_ = false;
  bool made_reserved_ = false;
  bool fidelity_changed_ = false;
};

/// Whether a directory holds nothing but our reserved name and an empty lost+found.
[[nodiscard]] StartUp<bool> is_empty_replica(const TreeRoot& replica);

/// The reserved directory's lock: one mirrorfs works with a tree. Refuses when it is held.
[[nodiscard]] StartUp<UniqueFd> lock_tree(int reserved_directory, const TreeRoot& tree,
                                          const char* role);

[[nodiscard]] std::string host_name();

}  // namespace mirrorfs::journal
