// The pairs that this machine knows, and changes of their roles: mirrorctl pairs and promote.
#pragma once

#include <time.h>

#include <cstdint>
#include <expected>
#include <filesystem>
#include <string>
#include <vector>

#include "mirrorfs/losses.h"

namespace mirrorfs {

/// The tree that holds the pair's record, and the other one.
struct PairStatus {
  std::string id;
  std::string tree, peer;  ///< paths as of the last session
  bool is_source =
      false;  ///< the tree was promoted, or mounted as a source; else it is the replica
  std::uint64_t generation = 0;
  timespec role_since{};
  bool last_session_ended = false;  ///< cleanly
  timespec last_session{};          ///< when it ended, or began if it did not end; 0: none
  std::string host;                 ///< where that session was
  Losses losses;      ///< what the replica's filesystem cannot hold, whether it is used or not
  Losses tolerated;   ///< by the last session
  bool seen = false;  ///< the record was read from the tree itself, not from the state directory
};

/// In the order of their paths. Error: one line.
[[nodiscard]] std::expected<std::vector<PairStatus>, std::string> known_pair_statuses();

/// Ends the tree's role as a replica: it is the source from now on. Refused while a mirrorfs works
/// with it. Error: one line.
[[nodiscard]] std::expected<PairStatus, std::string> promote(const std::filesystem::path& tree);

}  // namespace mirrorfs
