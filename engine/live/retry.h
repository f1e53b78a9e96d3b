// When something that failed is tried again.
#pragma once

#include <algorithm>
#include <chrono>

namespace mirrorfs::live {

/// After a tenth of a second, then twice as long each time, up to a minute. Ring thread.
class Retry {
 public:
  using Clock = std::chrono::steady_clock;

  void failed() {
    constexpr auto kFirst = std::chrono::milliseconds(100);
    constexpr std::chrono::seconds kLongest{60};
    constexpr unsigned kMostDoublings = 10;
    const auto pause = kFirst * (1U << std::min(attempts_++, kMostDoublings));
    due_ = Clock::now() + std::min<Clock::duration>(pause, kLongest);
  }
  void succeeded() { attempts_ = 0; }

  /// The last attempt failed.
  [[nodiscard]] bool is_failing() const { return attempts_ > 0; }
  [[nodiscard]] bool is_due() const { return attempts_ == 0 || Clock::now() >= due_; }

 private:
  unsigned attempts_ = 0;  ///< that failed, one after the other
  Clock::time_point due_;
};

}  // namespace mirrorfs::live
