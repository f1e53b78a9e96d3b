#include "engine/ring/inbox.h"

#include <sys/eventfd.h>

#include <utility>

namespace mirrorfs::ring {

void Inbox::post(Posted function) {
  bool must_wake = false;
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(function));
    must_wake = std::exchange(asleep_, false);
  }
  if (must_wake) wake();
}

void Inbox::drain_into(std::vector<Posted>& functions) {
  const std::lock_guard lock(mutex_);
  asleep_ = false;
  functions.swap(posted_);
}

bool Inbox::prepare_to_sleep() {
  const std::lock_guard lock(mutex_);
  asleep_ = posted_.empty();
  return asleep_;
}

void Inbox::wake() noexcept {
  // The only error an eventfd can give here is EAGAIN on a full counter, which is readable as well.
  static_cast<void>(::eventfd_write(event_.get(), 1));
}

}  // namespace mirrorfs::ring
