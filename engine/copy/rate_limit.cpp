#include "engine/copy/rate_limit.h"

#include <algorithm>

namespace mirrorfs::copy {
namespace {

/// Bounds how uneven the rate is, in seconds' worth: what was not used, and what was taken too
/// much.
constexpr double kMostSaved = 0.1;
constexpr double kMostOwed = 5;
/// Of one take; to be paid for, however slow that is.
constexpr double kLeastOwed = 1 << 20;  // bytes
/// So that what is bought is not a byte at a time, nor a rate that changed noticed late.
constexpr std::chrono::milliseconds kLongestSleep{200};

}  // namespace

double TokenBucket::balance_at(Clock::time_point now) const {
  const std::chrono::duration<double> passed = now - at_;
  const double rate = static_cast<double>(rate_);
  return std::min(balance_ + passed.count() * rate, kMostSaved * rate);
}

void TokenBucket::set_rate(std::uint64_t rate, Clock::time_point now) {
  balance_ = rate_ == 0 ? 0 : balance_at(now);
  at_ = now;
  rate_ = rate;
}

void TokenBucket::take(std::uint64_t bytes, Clock::time_point now) {
  if (rate_ == 0) return;
  const double most_owed = std::max(kMostOwed * static_cast<double>(rate_), kLeastOwed);
  balance_ = std::max(balance_at(now) - static_cast<double>(bytes), -most_owed);
  at_ = now;
}

TokenBucket::Clock::time_point TokenBucket::ready_at(Clock::time_point now) const {
  const double balance = balance_at(now);
  if (rate_ == 0 || balance >= 0) return now;
  const std::chrono::duration<double> wait(-balance / static_cast<double>(rate_));
  return now + std::chrono::ceil<Clock::duration>(wait);
}

void RateLimit::set_rate(std::uint64_t rate) {
  bucket_.set_rate(rate, ring_.now());
  look();
}

ring::Task<void> RateLimit::take(std::uint64_t bytes) {
  const TokenBucket::Clock::time_point now = ring_.now();
  if (is_open() || (waiting_.empty() && bucket_.ready_at(now) <= now)) {
    bucket_.take(bytes, now);
    co_return;
  }
  Waiter waiter{.bytes = bytes, .granted = {}};
  waiting_.push_back(&waiter);
  if (!serving_) {
    serving_ = true;
    ring_.spawn(serve());
  }
  co_await waiter.granted.wait();
}

void RateLimit::grant_first() {
  Waiter& first = *waiting_.front();
  waiting_.pop_front();
  bucket_.take(first.bytes, ring_.now());
  first.granted.set();
}

void RateLimit::look() {
  if (waiting_.empty() || !is_open()) return;
  while (!waiting_.empty()) grant_first();
}

ring::Task<void> RateLimit::serve() {
  while (!waiting_.empty()) {
    const TokenBucket::Clock::time_point now = ring_.now();
    const TokenBucket::Clock::time_point ready = bucket_.ready_at(now);
    if (ready <= now) {
      grant_first();
      continue;
    }
    const auto longest = std::chrono::duration_cast<TokenBucket::Clock::duration>(kLongestSleep);
    const bool slept = co_await ring_.sleep(std::min(ready - now, longest));
    if (!slept) end();  // the ring stops
  }
  serving_ = false;
}

}  // namespace mirrorfs::copy
