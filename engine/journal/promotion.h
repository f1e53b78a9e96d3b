// A replica becomes a source: what it mirrored is the older generation from then on (G8).
#pragma once

#include "engine/journal/pair_record.h"

namespace mirrorfs::journal {

/// Under the tree's lock. The generation gets higher than any that the tree or the state directory
/// (-1: none) knows of the pair.
[[nodiscard]] StartUp<PairRecord> promote_tree(const TreeRoot& tree, int reserved_directory,
                                               int state_directory);

/// Under the tree's lock: applications will write to it as a source. Nothing where it has no record
/// or is a replica.
[[nodiscard]] StartUp<void> note_use(const TreeRoot& tree, int reserved_directory,
                                     int state_directory);

}  // namespace mirrorfs::journal
