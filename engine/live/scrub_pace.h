// How fast a scrub goes, so that a pass takes about its period.
#pragma once

#include <chrono>
#include <cstdint>

#include "engine/ring/driver.h"

namespace mirrorfs::live {

/// Work is measured in bytes read of the source, with so many more for each object looked at. What
/// time was lost, as by a pause, is not made up for. Ring thread only.
class ScrubPace {
 public:
  using Clock = ring::Clock;
  static constexpr std::uint64_t kObjectWork = 16 << 10;
  static constexpr std::uint64_t kLeastWork = 1 << 20;

  void set_period(std::chrono::seconds period) { period_ = period; }
  [[nodiscard]] std::chrono::seconds period() const { return period_; }

  /// Of a pass of which so much is done already. `expected`: what the whole will take, as far as is
  /// known; where it turns out to be more, the rest is done in half the time, and so on.
  void begin(std::uint64_t expected, std::uint64_t done, Clock::time_point now);
  /// When it may be done.
  [[nodiscard]] Clock::time_point plan(std::uint64_t work, Clock::time_point now);
  [[nodiscard]] std::uint64_t done() const { return done_; }

 private:
  std::chrono::seconds period_{0};
  std::uint64_t expected_ = kLeastWork, done_ = 0;
  Clock::time_point due_;
};

}  // namespace mirrorfs::live
