#include "engine/offline/rules_of_pair.h"

namespace mirrorfs::offline {

compare::PairRules rules_of(int source_root, const journal::PairRecord& record) {
  compare::PairRules rules{.boundaries = compare::Boundaries(record.one_file_system),
                           .exclusion = exclude::Exclusion(record.exclude, record.exclude_before),
                           .fidelity = record.fidelity()};
  for (const std::string& path : record.inner_mounts) rules.boundaries.learn(source_root, path);
  return rules;
}

compare::PairRules rules_of(int source_root, int replica_root) {
  const auto record = journal::read_pair_record(replica_root);
  if (!record || !*record || (*record)->role != journal::Role::kReplica) return {};
  return rules_of(source_root, **record);
}

}  // namespace mirrorfs::offline
