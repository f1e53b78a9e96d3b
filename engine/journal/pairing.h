// Which replica belongs to which source (G8): checks before anything is changed, the pairing
// record, the lock. Start-up only: the one place of the engine where paths are resolved.
#pragma once

#include <expected>
#include <filesystem>
#include <optional>
#include <string>

#include "mirrorfs/metadata.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::journal {

/// Errors are one line for the user: what failed, on which file, why, and what to do.
template <class T>
using StartUp = std::expected<T, std::string>;

/// An opened root directory of a tree.
struct TreeRoot {
  std::filesystem::path path;  ///< absolute, for messages only
  UniqueFd fd;                 ///< O_RDONLY | O_DIRECTORY
  Metadata metadata;
};

/// `role` is "source", "replica" or "mount point".
[[nodiscard]] StartUp<TreeRoot> open_root(const std::filesystem::path& path, const char* role);

/// Refuses a replica inside the source and the like, by identity of the directories above each
/// root. The mount point may be the source itself.
[[nodiscard]] StartUp<void> check_nesting(const TreeRoot& source, const TreeRoot& replica,
                                          const TreeRoot* mount_point);

/// Refuses a directory, there already or still to be made, that is or lies inside the tree.
[[nodiscard]] StartUp<void> check_outside(const std::filesystem::path& directory, const char* role,
                                          const TreeRoot& tree, const char* tree_role);

/// The replica's reserved directory, locked and paired with the source.
class Pairing {
 public:
  struct Request {
    bool adopt = false;
    bool create = true;  ///< make the record when the replica is empty or adopted
  };

  /// Refuses a non-empty replica that is not paired with this source, unless `adopt`; refuses when
  /// another process holds the lock. Nothing is changed in the replica when it refuses.
  [[nodiscard]] static StartUp<Pairing> acquire(const TreeRoot& source, const TreeRoot& replica,
                                                const Request& request);

  /// Identifies the pair across restarts: names the state file.
  [[nodiscard]] const std::string& id() const { return id_; }
  /// False: the replica was empty, or has just been adopted; nothing is known of its content.
  [[nodiscard]] bool was_paired() const { return was_paired_; }
  [[nodiscard]] int reserved_directory() const { return reserved_.get(); }

 private:
  Pairing() = default;
  UniqueFd reserved_;
  UniqueFd lock_;
  std::string id_;
  bool was_paired_ = false;
};

/// Whether a directory holds nothing but our reserved name and an empty lost+found.
[[nodiscard]] StartUp<bool> is_empty_replica(const TreeRoot& replica);

}  // namespace mirrorfs::journal
