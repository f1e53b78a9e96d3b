// The copies of pairs' records in the state directory: what this machine knows of replicas whose
// disk is not mounted.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "engine/journal/pair_record.h"
#include "mirrorfs/error.h"

namespace mirrorfs::journal {

/// All that can be read, by the path of the replica.
[[nodiscard]] std::vector<PairRecord> known_pairs(int state_directory);

/// The one whose replica stood at this path last.
[[nodiscard]] std::optional<PairRecord> known_replica_at(int state_directory,
                                                         std::string_view path);

/// Replaces what is known of the pair's tree at the record's own path.
[[nodiscard]] Result<void> remember_pair(int state_directory, const PairRecord& record);

}  // namespace mirrorfs::journal
