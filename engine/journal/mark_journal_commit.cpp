// The durable journal: one fdatasync for all who wait.
#include <unistd.h>

#include <algorithm>

#include "engine/journal/mark_journal.h"

namespace mirrorfs::journal {

MarkJournal::~MarkJournal() {
  {
    const std::lock_guard lock(mutex_);
    committing_ends_ = true;
  }
  wanted_.notify_all();
  if (committer_.joinable()) committer_.join();
}

void MarkJournal::commit_loop() {
  std::unique_lock lock(mutex_);
  while (true) {
    wanted_.wait(lock, [this] { return committing_ends_ || !waiters_.empty(); });
    if (waiters_.empty()) return;
    commit(lock);
  }
}

/// While the file is replaced both have to have it: either may be the one that is found.
void MarkJournal::commit(std::unique_lock<std::mutex>& lock) {
  const std::uint64_t position = appended_;
  const std::shared_ptr<const UniqueFd> files[] = {file_.fd,
                                                   next_.takes_marks ? next_.fd : nullptr};
  lock.unlock();
  Result<void> synced;
  for (const auto& fd : files) {
    if (fd && ::fdatasync(fd->get()) != 0) synced = fail_errno("fdatasync", name_);
  }
  lock.lock();
  if (!synced) give_up(synced.error());
  durable_ = std::max(durable_, position);
  std::vector<Waiter> done;
  const auto waits = [this](const Waiter& waiter) { return waiter.position > durable_; };
  const auto ready = std::stable_partition(waiters_.begin(), waiters_.end(), waits);
  done.assign(std::make_move_iterator(ready), std::make_move_iterator(waiters_.end()));
  waiters_.erase(ready, waiters_.end());
  lock.unlock();
  reached_.notify_all();
  for (Waiter& waiter : done) waiter.then();
  lock.lock();
}

/// Once the power is gone the source may have lost the name under which an object was changed, and
/// the change too, or not; so has the replica. A name that stays, or all, must lead to it.
void MarkJournal::hold_other_names(Held& held, const Footprint& footprint) {
  const OtherNames& others = *footprint.other_names();
  if (footprint.change() == Footprint::Change::kObject) {
    if (linked_.size() >= most_ && !linked_.contains(others.object)) return hold_everything(held);
    add(held, linked_[others.object]);
    const bool stays = !footprint.entries().empty() && !is_young(footprint.entries().front());
    if (stays) return;
  } else if (!linked_.contains(others.object)) {
    return;
  }
  const auto old = std::ranges::find_if_not(
      others.known, [this](const Location& name) { return is_young(name); });
  if (old != others.known.end()) return hold_itself(held, *old, others.object, false);
  if (!others.all || others.known.size() > kMostOtherNames) return hold_everything(held);
  for (const Location& name : others.known) hold_itself(held, name, others.object, false);
}

/// A power cut may take the name from the source: it, or a directory above it, came to be not long
/// ago.
bool MarkJournal::is_young(const Location& entry) const {
  Location at = entry;
  for (std::size_t steps = 0; steps <= directories_.size(); ++steps) {
    const auto mark = marks_.find(at);
    if (mark != marks_.end() && mark->second.names) return true;
    if (at.parent == owner_.root) return false;
    const auto above = directories_.find(at.parent);
    if (above == directories_.end() || !above->second.where.parent) return true;
    at = above->second.where;
  }
  return true;
}

/// Seldom: what is begun was announced, and was durable then.
void MarkJournal::wait_for(std::unique_lock<std::mutex>& lock, const Held& held) {
  std::uint64_t position = 0;
  for (std::size_t at = 0; at < held.count_; ++at) {
    position = std::max(position, held.entries_[at]->position);
  }
  wait_for(lock, position);
}

void MarkJournal::wait_for(std::unique_lock<std::mutex>& lock, std::uint64_t position) {
  if (position <= durable_) return;
  waiters_.push_back({position, [] {}});
  wanted_.notify_one();
  reached_.wait(lock, [&] { return durable_ >= position; });
}

bool MarkJournal::lags() const {
  const std::lock_guard lock(mutex_);
  return owner_.durable && appended_ > durable_;
}

void MarkJournal::wait_until_durable() {
  std::unique_lock lock(mutex_);
  if (owner_.durable) wait_for(lock, appended_);
}

}  // namespace mirrorfs::journal
