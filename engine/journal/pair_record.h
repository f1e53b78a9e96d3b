// What a tree's reserved directory says of the pair that it belongs to.
#pragma once

#include <time.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/journal/tree_identity.h"
#include "engine/journal/tree_root.h"
#include "mirrorfs/capabilities.h"

namespace mirrorfs::journal {

/// Of the tree that holds the record.
enum class Role {
  kReplica,
  kSource,  ///< it was promoted, or mounted as a source: the peer is older from then on
};

/// Between two times, exclusively; by the tree's clock.
struct Window {
  timespec since, until;
};

/// The last session that wrote to this tree as a replica.
struct SessionNote {
  std::string nonce;  ///< drawn for each session: a record elsewhere with another one is of another
  bool ended = false;       ///< cleanly
  timespec time{};          ///< by the tree's own clock: when it ended, or began if it has not
  timespec source_since{};  ///< what the source changed (ctime) before is here; 0: nothing is known
  std::string host;
};

/// DST/.mirrorfs/pair, and a copy of it in the state directory. A tree that was only ever a source
/// has none: its peer's tells.
struct PairRecord {
  std::string pair_id;  ///< random: the same for both roles and all generations of a pair
  Role role = Role::kReplica;
  std::uint64_t generation = 1;  ///< counted up at each change of roles
  timespec role_since{};
  timespec used{};    ///< as a source: promoted, or mounted, for the last time
  TreeIdentity own;   ///< as of the last session: a copy of this tree has another
  TreeIdentity peer;  ///< its source; after a promotion, what was its source
  SessionNote session;
  /// Of the peer's root, which every session touches at its begin and end. A clone or an older
  /// state of the peer has an earlier one. 0: not known, or its filesystem cannot tell.
  timespec peer_ctime{};
  std::vector<Window>
      foreign;  ///< when somebody else may have changed the tree, not looked for yet
  bool one_file_system = false;
  std::vector<std::string> inner_mounts;  ///< filesystems mounted in the source, relative paths
  std::vector<std::string> exclude;       ///< patterns, as they were given
  /// Those of earlier sessions, as long as the trees were not compared in full since.
  std::vector<std::vector<std::string>> exclude_before;
  /// Of this tree's filesystem; absent: it was not asked yet.
  std::optional<Capabilities> capabilities;
  Losses tolerated;  ///< by the last session

  /// Of this tree as a replica.
  [[nodiscard]] Fidelity fidelity() const {
    return {.replica = capabilities.value_or(Capabilities()), .tolerated = tolerated};
  }
};

/// No record: nullopt. A record that cannot be read or parsed is an error, not «no record».
[[nodiscard]] StartUp<std::optional<PairRecord>> read_pair_record(int tree_root);
[[nodiscard]] StartUp<void> write_pair_record(int reserved_directory, const PairRecord& record);

/// The same as text.
[[nodiscard]] std::string to_text(const PairRecord& record);
[[nodiscard]] StartUp<PairRecord> pair_record_from(std::string_view text);

/// 32 hex digits.
[[nodiscard]] std::string random_id();

}  // namespace mirrorfs::journal
