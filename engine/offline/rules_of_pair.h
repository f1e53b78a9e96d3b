// What the record of a pair says of how its trees are compared.
#pragma once

#include "engine/compare/pair_rules.h"
#include "engine/journal/pair_record.h"

namespace mirrorfs::offline {

[[nodiscard]] compare::PairRules rules_of(int source_root, const journal::PairRecord& record);
/// Of a replica without a readable record: no boundaries but those that are met, nothing is
/// excluded, and everything counts.
[[nodiscard]] compare::PairRules rules_of(int source_root, int replica_root);

}  // namespace mirrorfs::offline
