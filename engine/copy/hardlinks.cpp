#include "engine/copy/hardlinks.h"

namespace mirrorfs::copy {

ring::Task<HardlinkMap::Lease> HardlinkMap::lease(ObjectId source) {
  // Forget turns without waiters, now and then, so that the table follows the work in flight.
  constexpr std::size_t kMostIdle = 1024;
  if (leases_.size() > kMostIdle) {
    std::erase_if(leases_, [](const auto& entry) { return entry.second.expired(); });
  }
  std::weak_ptr<ring::Semaphore>& slot = leases_[source];
  std::shared_ptr<ring::Semaphore> turn = slot.lock();
  if (!turn) {
    turn = std::make_shared<ring::Semaphore>(1);
    slot = turn;
  }
  ring::Permit permit = co_await turn->acquire();
  co_return Lease{std::move(turn), std::move(permit)};
}

std::optional<HardlinkMap::Place> HardlinkMap::find(ObjectId source) const {
  const auto group = groups_.find(source);
  if (group == groups_.end()) return std::nullopt;
  return group->second.place;
}

void HardlinkMap::remember(ObjectId source, Place place, std::uint32_t names_left) {
  if (place.replica) claims_[place.replica] = source;
  const auto group = groups_.find(source);
  if (names_left == 0) {
    if (group != groups_.end()) drop(group);
    return;
  }
  directories_->keep(place.where.parent);
  if (group == groups_.end()) inodes_.insert(source.inode);
  groups_.insert_or_assign(source, Group{std::move(place), names_left});
}

void HardlinkMap::drop(Groups::const_iterator group) {
  inodes_.erase(inodes_.find(group->first.inode));
  groups_.erase(group);
}

void HardlinkMap::met(ObjectId source) {
  const auto group = groups_.find(source);
  if (group != groups_.end() && --group->second.names_left == 0) drop(group);
}

void HardlinkMap::forget(ObjectId source) {
  const auto group = groups_.find(source);
  if (group == groups_.end()) return;
  give_up(group->second.place.replica, source);
  drop(group);
}

void HardlinkMap::give_up(ObjectId replica, ObjectId source) {
  const auto claim = claims_.find(replica);
  if (claim != claims_.end() && claim->second == source) claims_.erase(claim);
}

std::optional<ObjectId> HardlinkMap::claimed_by(ObjectId replica) const {
  const auto claim = claims_.find(replica);
  if (claim == claims_.end()) return std::nullopt;
  return claim->second;
}

}  // namespace mirrorfs::copy
