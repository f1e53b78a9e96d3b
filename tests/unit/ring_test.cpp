// The loop of the ring: batches, wake-ups, helper threads, set-up.
#include "engine/ring/ring.h"

#include <liburing.h>
#include <sys/resource.h>

#include <array>
#include <atomic>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "ring_fixture.h"

namespace mirrorfs::ring {
namespace {

class RingLoop : public RingFixture {};

bool kernel_can_gather() {
  io_uring probe{};
  if (io_uring_queue_init(1, &probe, 0) != 0) return false;
  const bool can = (probe.features & IORING_FEAT_MIN_TIMEOUT) != 0;
  io_uring_queue_exit(&probe);
  return can;
}

TEST_F(RingLoop, ThousandRequestsGoInFewSystemCalls) {
  if (!kernel_can_gather()) GTEST_SKIP() << "needs Linux 6.12";
  make_ring();
  int good = 0;
  ring().run_task(look_many(1000, good));
  EXPECT_EQ(good, 1000);
  const Counters counters = ring().counters();
  EXPECT_EQ(counters.operations, 1000U);
  EXPECT_GT(counters.operations, 8 * counters.enters) << counters.enters << " enters";
  EXPECT_EQ(counters.direct_calls, 0U);
}

TEST_F(RingLoop, ThousandRequestsThroughASmallQueue) {
  make_ring({.entries = 8});
  int good = 0;
  ring().run_task(look_many(1000, good));
  EXPECT_EQ(good, 1000);
}

TEST_F(RingLoop, MoreRequestsThanTheCompletionQueueHolds) {
  make_ring({.entries = 8});
  int good = 0;
  ring().run_task(look_many(10'000, good));
  EXPECT_EQ(good, 10'000);
}

TEST_F(RingLoop, MadeOnOneThreadRunOnAnother) {
  make_ring();
  int good = 0;
  std::thread([&] { ring().run_task(look_many(10, good)); }).join();
  EXPECT_EQ(good, 10);
}

TEST_F(RingLoop, RunsAgainAfterItStopped) {
  make_ring();
  for (int round = 1; round <= 3; ++round) {
    int good = 0;
    ring().run_task(look_many(5, good));
    EXPECT_EQ(good, 5);
  }
}

TEST_F(RingLoop, SeveralRingsInOneProcess) {
  make_ring();
  std::vector<std::jthread> threads;
  std::atomic<int> total{0};
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      auto own = Ring::create({.entries = 32});
      ASSERT_TRUE(succeeded(own));
      auto body = [&]() -> Task<int> {
        auto metadata = co_await (*own)->statx(dir(), ".");
        co_return metadata ? 1 : 0;
      };
      for (int round = 0; round < 50; ++round) total += (*own)->run_task(body());
    });
  }
  threads.clear();
  EXPECT_EQ(total, 150);
}

TEST_F(RingLoop, OneRingRunsInsideATaskOfAnother) {
  make_ring();
  run([this]() -> Task<> {
    auto inner = Ring::create({.entries = 8});
    EXPECT_TRUE(succeeded(inner));
    auto body = [&]() -> Task<> { co_await (*inner)->statx(dir(), "."); };
    (*inner)->run_task(body());
    EXPECT_EQ(Ring::current(), &ring());
    co_await ring().statx(dir(), ".");
  });
  EXPECT_EQ(Ring::current(), nullptr);
}

TEST_F(RingLoop, PostedFunctionsRunInOrderOnTheRingsThread) {
  make_ring();
  std::vector<int> seen;
  std::thread::id where;
  std::thread runner([this] { ring().run(); });
  const std::thread::id expected = runner.get_id();
  for (int i = 0; i < 1000; ++i) {
    ring().post([&, i] {
      seen.push_back(i);
      where = std::this_thread::get_id();
    });
  }
  ring().stop();
  runner.join();
  ASSERT_EQ(seen.size(), 1000U);
  EXPECT_TRUE(std::ranges::is_sorted(seen));
  EXPECT_EQ(where, expected);
}

TEST_F(RingLoop, PostWakesASleepingRingEveryTime) {
  make_ring();
  std::jthread runner([this] { ring().run(); });
  for (int i = 0; i < 200; ++i) {
    std::promise<void> ran;
    ring().post([&] { ran.set_value(); });
    ASSERT_EQ(ran.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
  }
  ring().stop();
}

TEST_F(RingLoop, PostsFromManyThreadsWhileRequestsRun) {
  make_ring({.entries = 8});
  constexpr int kThreads = 4;
  constexpr int kPosts = 500;
  int ran = 0;
  int good = 0;
  ring().spawn(look_many(2000, good));
  std::jthread runner([this] { ring().run(); });
  {
    std::vector<std::jthread> posters;
    for (int t = 0; t < kThreads; ++t) {
      posters.emplace_back([&] {
        for (int i = 0; i < kPosts; ++i) ring().post([&ran] { ++ran; });
      });
    }
  }
  ring().stop();
  runner.join();
  EXPECT_EQ(ran, kThreads * kPosts);
  EXPECT_EQ(good, 2000);
}

TEST_F(RingLoop, OffloadRunsOnAHelperThreadAndReturnsByValue) {
  make_ring();
  run([this]() -> Task<> {
    const auto here = std::this_thread::get_id();
    const std::string text(100, 'x');
    auto function = [text] { return std::pair(text, std::this_thread::get_id()); };
    auto [copy, there] = co_await ring().offload(function);
    EXPECT_EQ(copy, text);
    EXPECT_NE(there, here);
    EXPECT_EQ(std::this_thread::get_id(), here);
    const auto made = co_await ring().offload([] { return std::make_unique<int>(5); });
    EXPECT_EQ(*made, 5);
    bool called = false;
    co_await ring().offload([&called] { called = true; });
    EXPECT_TRUE(called);
  });
  EXPECT_EQ(ring().counters().offloads, 3U);
}

TEST_F(RingLoop, OffloadThrowsWhatTheFunctionThrew) {
  make_ring();
  run([this]() -> Task<> {
    bool caught = false;
    try {
      co_await ring().offload([]() -> int { throw std::runtime_error("no"); });
    } catch (const std::runtime_error&) {
      caught = true;
    }
    EXPECT_TRUE(caught);
  });
}

TEST_F(RingLoop, ManyOffloadsShareTheHelpers) {
  make_ring({.helper_threads = 3});
  run([this]() -> Task<> {
    TaskGroup group(ring());
    std::atomic<int> sum{0};
    auto member = [&](int i) -> Task<> { sum += co_await ring().offload([i] { return i; }); };
    for (int i = 0; i < 500; ++i) group.spawn(member(i));
    co_await group.join();
    EXPECT_EQ(sum, 499 * 500 / 2);
  });
}

TEST_F(RingLoop, CreateReportsALackOfDescriptors) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  // The two numbers that would be given out next.
  std::array<int, 2> next{};
  {
    const UniqueFd first(::dup(dir()));
    const UniqueFd second(::dup(dir()));
    next = {first.get(), second.get()};
  }
  for (const int room : {0, 1}) {
    rlimit low = before;
    low.rlim_cur = static_cast<rlim_t>(next[static_cast<std::size_t>(room)]);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
    auto created = Ring::create();
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    const char* const call = room == 0 ? "eventfd" : "io_uring_setup";
    EXPECT_TRUE(failed_with(created, EMFILE, call, ""));
  }
}

TEST_F(RingLoop, CreateClampsAndRoundsTheNumberOfEntries) {
  for (const unsigned entries : {0U, 1U, 1'000'000U}) {
    auto created = Ring::create({.entries = entries});
    EXPECT_TRUE(succeeded(created)) << entries;
  }
}

}  // namespace
}  // namespace mirrorfs::ring
