#include "engine/state/replica_owners.h"

namespace mirrorfs::state {

ReplicaOwners::Standing ReplicaOwners::standing(const ObjectId& replica,
                                                const ObjectId& source) const {
  if (orphans_.contains(replica)) return Standing::kOthers;
  const auto found = owners_.find(replica);
  if (found == owners_.end()) return Standing::kFree;
  return found->second == source ? Standing::kOwn : Standing::kOthers;
}

std::optional<ObjectId> ReplicaOwners::owner(const ObjectId& replica) const {
  const auto found = owners_.find(replica);
  if (found == owners_.end()) return std::nullopt;
  return found->second;
}

void ReplicaOwners::own(const ObjectId& replica, const ObjectId& source) {
  orphans_.erase(replica);
  owners_[replica] = source;
}

void ReplicaOwners::orphan(const ObjectId& replica, SequenceNumber recorded) {
  owners_.erase(replica);
  orphans_[replica] = {.recorded = recorded, .last_use = last_use_};
}

void ReplicaOwners::erase(const ObjectId& replica) {
  owners_.erase(replica);
  orphans_.erase(replica);
}

void ReplicaOwners::release_orphans(SequenceNumber finished) {
  if (orphans_.empty()) return;
  const std::uint64_t oldest_use = uses_.empty() ? last_use_ + 1 : *uses_.begin();
  std::erase_if(orphans_, [&](const auto& orphan) {
    const UnderWay& under_way = orphan.second;
    return under_way.recorded <= finished && under_way.last_use < oldest_use;
  });
}

}  // namespace mirrorfs::state
