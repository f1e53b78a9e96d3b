// What other threads hand to a ring's thread.
#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

#include "engine/ring/driver.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::ring {

/// A queue of functions with an eventfd that wakes the ring's thread. It is held by shared
/// pointers: a helper thread that comes back late may still deliver into it after its ring is gone.
///
/// post() is safe from any thread; the rest belongs to the ring's thread.
class Inbox {
 public:
  explicit Inbox(UniqueFd event) noexcept : event_(std::move(event)) {}

  void post(Posted function);

  /// Takes out all that was posted so far. From here until prepare_to_sleep() a post() does not
  /// cost a system call.
  void drain_into(std::vector<Posted>& functions);

  /// True: nothing is posted, and from now on a post() writes to the eventfd.
  [[nodiscard]] bool prepare_to_sleep();

  /// Makes the eventfd readable.
  void wake() noexcept;

  [[nodiscard]] int event_fd() const noexcept { return event_.get(); }
  /// Where the ring reads the eventfd's counter to.
  [[nodiscard]] std::uint64_t* event_buffer() noexcept { return &event_buffer_; }

 private:
  const UniqueFd event_;
  std::uint64_t event_buffer_ = 0;
  std::mutex mutex_;
  std::vector<Posted> posted_;  // under mutex_
  bool asleep_ = false;         // under mutex_: the ring's thread may be asleep
};

}  // namespace mirrorfs::ring
