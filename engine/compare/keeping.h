// verify_trees() and sync_trees() for a pair: something of the replica may have to be
// kept, and not all of the source be mirrored.
#pragma once

#include "engine/compare/pair_rules.h"
#include "engine/replica/writer.h"
#include "mirrorfs/tree_tools.h"

namespace mirrorfs::compare {

[[nodiscard]] Result<VerifyReport> verify_keeping(int source_root, int replica_root,
                                                  const VerifyOptions& options,
                                                  replica::Keeper* keeper, const PairRules& rules);
[[nodiscard]] Result<SyncReport> sync_keeping(int source_root, int replica_root,
                                              const SyncOptions& options, replica::Keeper* keeper,
                                              const PairRules& rules);

}  // namespace mirrorfs::compare
