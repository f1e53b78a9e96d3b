#include "mirrorfs/tree_tools.h"

#include "engine/compare/keeping.h"
#include "engine/offline/pair_boundaries.h"

namespace mirrorfs {

Result<VerifyReport> verify_trees(int source_root, int replica_root, const VerifyOptions& options) {
  const compare::Boundaries boundaries = offline::boundaries_of(source_root, replica_root);
  return compare::verify_keeping(source_root, replica_root, options, nullptr, &boundaries,
                                 offline::fidelity_of(replica_root));
}

Result<SyncReport> sync_trees(int source_root, int replica_root, const SyncOptions& options) {
  const compare::Boundaries boundaries = offline::boundaries_of(source_root, replica_root);
  return compare::sync_keeping(source_root, replica_root, options, nullptr, &boundaries,
                               offline::fidelity_of(replica_root));
}

}  // namespace mirrorfs
