#include "engine/offline/pair_boundaries.h"

#include "engine/journal/pair_record.h"

namespace mirrorfs::offline {

compare::Boundaries boundaries_of(int source_root, int replica_root) {
  const auto record = journal::read_pair_record(replica_root);
  if (!record || !*record || (*record)->role != journal::Role::kReplica) {
    return compare::Boundaries();
  }
  compare::Boundaries boundaries((*record)->one_file_system);
  for (const std::string& path : (*record)->inner_mounts) boundaries.learn(source_root, path);
  return boundaries;
}

Fidelity fidelity_of(int replica_root) {
  const auto record = journal::read_pair_record(replica_root);
  if (!record || !*record || (*record)->role != journal::Role::kReplica) return {};
  return (*record)->fidelity();
}

}  // namespace mirrorfs::offline
