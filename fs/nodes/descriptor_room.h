// How many descriptors the files that applications keep open may take.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>

namespace mirrorfs::fs {

/// The rest is a reserve: for requests, which need a few each for a moment, and for the engine.
/// Goes by the numbers of descriptors: a new one gets the lowest that is free (open(2)), so that
/// many are open at least. Safe from any thread; two at once may take one more than there is room
/// for.
class DescriptorRoom {
 public:
  /// `limit`: RLIMIT_NOFILE. The engine takes three eighths of that, and no more than some
  /// thousand.
  explicit DescriptorRoom(std::size_t limit)
      : reserve_(static_cast<int>(std::min<std::size_t>(limit / 2, 8192))),
        first_of_reserve_(static_cast<int>(std::min<std::size_t>(limit, kMost)) - reserve_) {}

  /// No file may be kept open by this descriptor; a directory may, so that one can be listed.
  [[nodiscard]] bool is_reserve(int fd) const { return fd >= first_of_reserve_; }
  /// Nor may a directory, and what is kept for later use is to be closed: requests find no more
  /// than half of the reserve.
  [[nodiscard]] bool is_scarce(int fd) const { return fd >= first_of_reserve_ + reserve_ / 2; }

  /// An application keeps a file open by it.
  void taken(int fd) { last_.store(fd, std::memory_order_relaxed); }
  /// The next one may be of the reserve: to be asked for before something is opened.
  [[nodiscard]] bool may_be_full() const {
    return last_.load(std::memory_order_relaxed) >= first_of_reserve_ - reserve_ / 2;
  }

 private:
  static constexpr std::size_t kMost = 1U << 30;

  const int reserve_, first_of_reserve_;
  std::atomic<int> last_ = 0;
};

}  // namespace mirrorfs::fs
