// Time and the end: sleeping, stopping, abandoning.
#include <unistd.h>

#include <array>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "ring_fixture.h"

namespace mirrorfs::ring {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""h;
using Clock = std::chrono::steady_clock;

class RingStop : public RingFixture {};

TEST_F(RingStop, SleepTakesItsTime) {
  make_ring();
  run([this]() -> Task<> {
    const auto before = Clock::now();
    EXPECT_TRUE(co_await ring().sleep(20ms));
    EXPECT_GE(Clock::now() - before, 20ms);
    EXPECT_TRUE(co_await ring().sleep(-1ms));
  });
  EXPECT_LT(ring().counters().enters, 20U);
}

TEST_F(RingStop, SleepersWakeInTheOrderOfTheirTimes) {
  make_ring();
  std::vector<int> order;
  run([&]() -> Task<> {
    TaskGroup group(ring());
    auto member = [&](int milliseconds) -> Task<> {
      co_await ring().sleep(std::chrono::milliseconds(milliseconds));
      order.push_back(milliseconds);
    };
    for (const int milliseconds : {30, 10, 20}) group.spawn(member(milliseconds));
    co_await group.join();
  });
  EXPECT_EQ(order, (std::vector<int>{10, 20, 30}));
}

TEST_F(RingStop, StopWakesSleepers) {
  make_ring();
  int cancelled = 0;
  auto sleeper = [&]() -> Task<> {
    if (!co_await ring().sleep(10h)) ++cancelled;
    if (!co_await ring().sleep(std::chrono::nanoseconds::max())) ++cancelled;
    EXPECT_TRUE(ring().stopping());
  };
  for (int i = 0; i < 3; ++i) ring().spawn(sleeper());
  std::thread runner([this] { ring().run(); });
  std::this_thread::sleep_for(5ms);
  ring().stop();
  runner.join();
  EXPECT_EQ(cancelled, 6);
}

TEST_F(RingStop, StopLetsSpawnedTasksEnd) {
  make_ring();
  int good = 0;
  ring().spawn(look_many(100, good));
  ring().stop();
  ring().run();
  EXPECT_EQ(good, 100);
}

TEST_F(RingStop, TasksThatNeverRanAreFreedWithTheRing) {
  make_ring();
  const auto held = std::make_shared<int>(1);
  auto body = [](std::shared_ptr<int>) -> Task<> { co_return; };
  ring().spawn(body(held));
  EXPECT_EQ(held.use_count(), 2);
  ring_.reset();
  EXPECT_EQ(held.use_count(), 1);
}

// A read of an empty pipe stands for a replica that hangs.
Task<> read_for_ever(Ring& ring, int pipe, std::shared_ptr<int> held) {
  std::array<std::byte, 64> buffer{};
  co_await ring.read(pipe, buffer, 0);
  *held = 2;
}

TEST_F(RingStop, AbandonReturnsThoughARequestNeverCompletes) {
  make_ring();
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
  const auto held = std::make_shared<int>(1);
  ring().spawn(read_for_ever(ring(), pipe[0], held));
  ring().stop();
  std::thread runner([this] { ring().run(); });
  std::this_thread::sleep_for(5ms);
  ring().abandon();
  runner.join();
  ring_.reset();
  EXPECT_EQ(held.use_count(), 2) << "the frame must stay: the kernel may still write to it";
  ASSERT_EQ(::write(pipe[1], "late", 4), 4);
  EXPECT_EQ(*held, 1);
  for (const int end : pipe) ::close(end);
}

TEST_F(RingStop, RequestsThatHangDoNotHoldUpOthers) {
  make_ring({.entries = 64});
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
  const auto held = std::make_shared<int>(1);
  for (int i = 0; i < 200; ++i) ring().spawn(read_for_ever(ring(), pipe[0], held));
  int good = 0;
  run([&]() -> Task<> {
    for (int i = 0; i < 100; ++i) co_await look_many(1, good);
    ::close(pipe[1]);  // ends the reads
  });
  EXPECT_EQ(good, 100);
  EXPECT_EQ(held.use_count(), 1);
  ::close(pipe[0]);
}

TEST_F(RingStop, AbandonReturnsThoughAHelperHangs) {
  make_ring();
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
  auto body = [](Ring& ring, int from) -> Task<> {
    co_await ring.offload([from] {
      char byte = 0;
      return ::read(from, &byte, 1);
    });
  };
  ring().spawn(body(ring(), pipe[0]));
  std::thread runner([this] { ring().run(); });
  std::this_thread::sleep_for(5ms);
  ring().abandon();
  runner.join();
  ring_.reset();
  // The helper returns when nothing waits for it any more.
  ASSERT_EQ(::write(pipe[1], "x", 1), 1);
  std::this_thread::sleep_for(5ms);
  ::close(pipe[1]);  // the helper may still be at the other end
}

TEST(RingDeathTest, AnExceptionOutOfASpawnedTaskEndsTheProcess) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(
      {
        auto ring = Ring::create();
        auto body = []() -> Task<> {
          throw std::runtime_error("out of a task");
          co_return;
        };
        (*ring)->spawn(body());
        (*ring)->run();
      },
      "out of a task");
}

}  // namespace
}  // namespace mirrorfs::ring
