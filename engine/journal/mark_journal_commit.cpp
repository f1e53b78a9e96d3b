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

/// Seldom: what is begun was announced, and was durable then.
void MarkJournal::wait_until_durable(std::unique_lock<std::mutex>& lock, const Held& held) {
  std::uint64_t position = 0;
  for (std::size_t at = 0; at < held.count_; ++at) {
    position = std::max(position, held.entries_[at]->position);
  }
  if (position <= durable_) return;
  waiters_.push_back({position, [] {}});
  wanted_.notify_one();
  reached_.wait(lock, [&] { return durable_ >= position; });
}

}  // namespace mirrorfs::journal
