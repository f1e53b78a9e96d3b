#include "fs/nodes/removed_descriptors.h"

#include <utility>

namespace mirrorfs::fs {

RemovedDescriptors::RemovedDescriptors() : thread_([this] { loop(); }) {}

RemovedDescriptors::~RemovedDescriptors() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void RemovedDescriptors::close(DescriptorCache::GivenUp given_up) noexcept {
  DescriptorCache::GivenUp removed;
  for (auto at = given_up.begin(); at != given_up.end();) {
    const auto next = std::next(at);
    if (at->pinned) removed.splice(removed.end(), given_up, at);
    at = next;
  }
  if (removed.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    waiting_.splice(waiting_.end(), removed);
  }
  changed_.notify_one();
}

void RemovedDescriptors::make_room() noexcept {
  for (;;) {
    DescriptorCache::GivenUp closed;  // after the mutex is released
    const std::lock_guard lock(mutex_);
    if (waiting_.size() <= kMost) return;
    closed.splice(closed.end(), waiting_, waiting_.begin());
  }
}

std::size_t RemovedDescriptors::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size();
}

void RemovedDescriptors::loop() noexcept {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    DescriptorCache::GivenUp closed;
    closed.splice(closed.end(), waiting_, waiting_.begin());
    lock.unlock();
    closed.clear();
    lock.lock();
  }
}

}  // namespace mirrorfs::fs
