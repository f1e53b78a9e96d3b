// How fast reconciles may read the source: --rate-limit.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>

#include "engine/ring/ring.h"
#include "engine/ring/sync.h"
#include "engine/ring/task.h"

namespace mirrorfs::copy {

/// Bytes that may be read, filled at a rate. It may be overdrawn: whoever may take something takes
/// all that it wants, and the next one waits until that is paid for. What was taken regardless of
/// the rate is paid for too, as far as it is some seconds' worth.
class TokenBucket {
 public:
  using Clock = ring::Clock;

  /// Bytes per second; 0: no limit.
  void set_rate(std::uint64_t rate, Clock::time_point now);
  [[nodiscard]] std::uint64_t rate() const { return rate_; }
  void take(std::uint64_t bytes, Clock::time_point now);
  /// When something may be taken; not after `now`: it may be now.
  [[nodiscard]] Clock::time_point ready_at(Clock::time_point now) const;

 private:
  [[nodiscard]] double balance_at(Clock::time_point now) const;

  std::uint64_t rate_ = 0;
  double balance_ = 0;  ///< bytes, as of at_
  Clock::time_point at_;
};

/// Keeps all reconciles together to a rate, first come, first served, but for when somebody else
/// waits for what they do: then nobody waits here. Ring thread only.
class RateLimit {
 public:
  /// `is_hurried`: an application waits for a reconcile. Whoever makes it true calls look().
  RateLimit(ring::Ring& ring, std::function<bool()> is_hurried)
      : ring_(ring), is_hurried_(std::move(is_hurried)) {}

  void set_rate(std::uint64_t rate);
  [[nodiscard]] std::uint64_t rate() const { return bucket_.rate(); }
  /// Returns when so much may be read.
  [[nodiscard]] ring::Task<void> take(std::uint64_t bytes);
  /// Lets go of all who wait, if there is a reason to.
  void look();
  /// No limit from now on.
  void end() { set_rate(0); }

 private:
  struct Waiter {
    std::uint64_t bytes = 0;
    ring::Event granted;
  };
  [[nodiscard]] bool is_open() const { return bucket_.rate() == 0 || is_hurried_(); }
  void grant_first();
  [[nodiscard]] ring::Task<void> serve();

  ring::Ring& ring_;
  const std::function<bool()> is_hurried_;
  TokenBucket bucket_;
  std::deque<Waiter*> waiting_;
  bool serving_ = false;
};

}  // namespace mirrorfs::copy
