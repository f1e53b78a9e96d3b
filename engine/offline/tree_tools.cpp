#include "mirrorfs/tree_tools.h"

#include "engine/compare/keeping.h"
#include "engine/offline/rules_of_pair.h"

namespace mirrorfs {

Result<VerifyReport> verify_trees(int source_root, int replica_root, const VerifyOptions& options) {
  return compare::verify_keeping(source_root, replica_root, options, nullptr,
                                 offline::rules_of(source_root, replica_root));
}

Result<SyncReport> sync_trees(int source_root, int replica_root, const SyncOptions& options) {
  return compare::sync_keeping(source_root, replica_root, options, nullptr,
                               offline::rules_of(source_root, replica_root));
}

}  // namespace mirrorfs
