// --rate-limit: what it limits, and who never waits for it.
#include <gtest/gtest.h>

#include <future>
#include <string>
#include <thread>

#include "engine/copy/rate_limit.h"
#include "live_fixture.h"
#include "ring_fixture.h"

namespace mirrorfs {
namespace {

using namespace std::chrono_literals;
using copy::TokenBucket;
using Clock = TokenBucket::Clock;

constexpr std::uint64_t kMega = 1 << 20;

double seconds_for(TokenBucket& bucket, std::uint64_t total, std::uint64_t step,
                   Clock::time_point start) {
  Clock::time_point now = start;
  for (std::uint64_t done = 0; done < total; done += step) {
    now = std::max(now, bucket.ready_at(now));
    bucket.take(step, now);
  }
  now = std::max(now, bucket.ready_at(now));
  return std::chrono::duration<double>(now - start).count();
}

TEST(TokenBucket, KeepsTheRateWhateverThePieces) {
  for (const std::uint64_t step : {kMega / 1000, kMega / 256, kMega / 4, 3 * kMega}) {
    TokenBucket bucket;
    bucket.set_rate(kMega, {});
    EXPECT_NEAR(seconds_for(bucket, 60 * kMega, step, {}), 60, 1) << "pieces of " << step;
  }
}

TEST(TokenBucket, WhatWasNotUsedIsNotSaved) {
  TokenBucket bucket;
  bucket.set_rate(kMega, {});
  const Clock::time_point later = Clock::time_point{} + 1h;
  EXPECT_NEAR(seconds_for(bucket, 10 * kMega, 64 << 10, later), 10, 0.3);
}

TEST(TokenBucket, WhatIsTakenRegardlessIsPaidForSomeSeconds) {
  TokenBucket bucket;
  bucket.set_rate(kMega, {});
  bucket.take(2 * kMega, {});
  EXPECT_EQ(bucket.ready_at({}), Clock::time_point{} + 2s);
  bucket.take(1000 * kMega, {});
  EXPECT_EQ(bucket.ready_at({}), Clock::time_point{} + 5s) << "and not for a quarter of an hour";
}

TEST(TokenBucket, ARateThatChangesCountsAtOnce) {
  TokenBucket bucket;
  bucket.set_rate(kMega, {});
  bucket.take(4 * kMega, {});
  bucket.set_rate(4 * kMega, {});
  EXPECT_EQ(bucket.ready_at({}), Clock::time_point{} + 1s);
  bucket.set_rate(0, {});
  EXPECT_EQ(bucket.ready_at({}), Clock::time_point{}) << "no limit";
}

using RateLimitOnARing = ring::RingFixture;

TEST_F(RateLimitOnARing, LetsAllGoInOrderWhenSomebodyWaits) {
  make_ring();
  bool hurried = false;
  copy::RateLimit limit(ring(), [&] { return hurried; });
  limit.set_rate(1024);
  std::vector<int> order;
  const auto take = [&](int which) -> ring::Task<void> {
    co_await limit.take(100 * kMega);  // a day's worth
    order.push_back(which);
  };
  run([&]() -> ring::Task<void> {
    ring::TaskGroup group(ring());
    for (int which = 0; which < 4; ++which) group.spawn(take(which));
    co_await ring().sleep(50ms);
    EXPECT_EQ(order, (std::vector{0})) << "the first may, the others wait for it to be paid for";
    hurried = true;
    limit.look();
    co_await group.join();
  });
  EXPECT_EQ(order, (std::vector{0, 1, 2, 3}));
}

/// Nothing of some size is copied within the time of a test.
class SlowBaseline : public testing::LiveTest {
 protected:
  static constexpr std::size_t kFile = 300 << 10;
  void begin(Mode mode) {
    for (int i = 0; i < 12; ++i) {
      put_source("many/" + std::to_string(i), std::string(kFile, static_cast<char>('a' + i)));
    }
    put_source("large", std::string(9 << 20, 'x'));
    MirrorOptions changed = options();
    changed.rate_limit = 1024;
    changed.mode = mode;
    start(changed);
  }
  [[nodiscard]] std::size_t copied() const {
    std::size_t files = 0;
    for (int i = 0; i < 12; ++i) {
      if (replica_content("many/" + std::to_string(i)).size() == kFile) ++files;
    }
    return files;
  }
  bool settled_within(std::chrono::milliseconds patience, SequenceNumber number,
                      std::shared_ptr<const Footprint> covered) {
    auto answered = std::make_shared<std::promise<void>>();
    auto future = answered->get_future();
    (void)mirror_->replicator().settle(number, Await::kBarrier, std::move(covered),
                                       [answered](Result<void>) { answered->set_value(); });
    return future.wait_for(patience) == std::future_status::ready;
  }
};

TEST_F(SlowBaseline, IsKeptToTheRateAndAStopIsNot) {
  begin(Mode::kAsync);
  EXPECT_FALSE(mirror_->wait(1500ms)) << "12 MB at a kilobyte a second";
  EXPECT_LT(copied(), 12U);
  EXPECT_TRUE(stop(20s));
  expect_trees_equal();
}

TEST_F(SlowBaseline, ARateThatIsTakenAwayLetsItGo) {
  begin(Mode::kAsync);
  EXPECT_FALSE(mirror_->wait(500ms));
  MirrorSettings settings = mirror_->settings();
  EXPECT_EQ(settings.rate_limit, 1024U);
  settings.rate_limit = 0;
  mirror_->change(settings);
  EXPECT_EQ(mirror_->settings().rate_limit, 0U);
  expect_equal();
}

TEST_F(SlowBaseline, TheLiveStreamNeverWaitsForIt) {
  begin(Mode::kAsync);
  std::this_thread::sleep_for(200ms);  // the walk of many/ is under way
  ASSERT_TRUE(driver_->create("many/new"));
  ASSERT_TRUE(driver_->write("many/new", 0, "at once"));
  wait_for_replica("many/new", "at once");
  EXPECT_EQ(replica_content("many/new"), "at once");
}

TEST_F(SlowBaseline, ABarrierNeverWaitsForIt) {
  begin(Mode::kFsync);
  std::this_thread::sleep_for(200ms);
  ASSERT_TRUE(driver_->write("large", 0, "changed"));
  const SequenceNumber number = driver_->barrier();
  EXPECT_TRUE(settled_within(20s, number, nullptr));
}

}  // namespace
}  // namespace mirrorfs
