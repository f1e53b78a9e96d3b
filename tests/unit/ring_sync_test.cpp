// Tasks and what they wait for one another with.
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "ring_fixture.h"

namespace mirrorfs::ring {
namespace {

using std::chrono_literals::operator""ms;

class Sync : public RingFixture {
 protected:
  void SetUp() override {
    RingFixture::SetUp();
    make_ring({.entries = 64});
  }
};

Task<int> plus_one(int value) { co_return value + 1; }

Task<int> throws(Ring& ring) {
  auto metadata = co_await ring.statx(AT_FDCWD, "/");
  if (metadata) throw std::runtime_error("thrown");
  co_return 0;
}

TEST_F(Sync, TaskIsLazyAndYieldsAValue) {
  run([]() -> Task<> {
    bool started = false;
    auto body = [&started]() -> Task<std::unique_ptr<int>> {
      started = true;
      co_return std::make_unique<int>(7);
    };
    auto task = body();
    EXPECT_FALSE(started);
    const std::unique_ptr<int> value = co_await std::move(task);
    EXPECT_TRUE(started);
    EXPECT_EQ(*value, 7);
  });
}

TEST_F(Sync, TaskThatIsNeverAwaitedIsFreed) {
  auto held = std::make_shared<int>(1);
  auto body = [](std::shared_ptr<int>) -> Task<> { co_return; };
  {
    auto task = body(held);
  }
  EXPECT_EQ(held.use_count(), 1);
}

TEST_F(Sync, ManyTasksThatNeverWaitDoNotGrowTheStack) {
  run([]() -> Task<> {
    int sum = 0;
    for (int i = 0; i < 200'000; ++i) sum = co_await plus_one(sum);
    EXPECT_EQ(sum, 200'000);
  });
}

TEST_F(Sync, DeepChainOfTasksThatWait) {
  struct Recursion {
    static Task<int> down(Ring& ring, int depth) {
      if (depth == 0) {
        auto metadata = co_await ring.statx(AT_FDCWD, "/");
        co_return metadata ? 0 : -1'000'000;
      }
      const int below = co_await down(ring, depth - 1);
      co_return below + 1;
    }
  };
  EXPECT_EQ(ring().run_task(Recursion::down(ring(), 500)), 500);
}

TEST_F(Sync, ExceptionsComeOutOfTheAwaitingTask) {
  run([this]() -> Task<> {
    std::string what;
    try {
      co_await throws(ring());
    } catch (const std::runtime_error& error) {
      what = error.what();
    }
    EXPECT_EQ(what, "thrown");
  });
}

TEST_F(Sync, RunTaskThrowsWhatTheTaskThrew) {
  EXPECT_THROW(ring().run_task(throws(ring())), std::runtime_error);
  EXPECT_EQ(ring().run_task(plus_one(1)), 2);
}

TEST_F(Sync, EventWakesAllWaitersAndStaysSet) {
  run([this]() -> Task<> {
    Event event;
    int woken = 0;
    TaskGroup group(ring());
    auto waiter = [&]() -> Task<> {
      co_await event.wait();
      ++woken;
    };
    for (int i = 0; i < 3; ++i) group.spawn(waiter());
    co_await ring().sleep(1ms);
    EXPECT_EQ(woken, 0);
    event.set();
    EXPECT_EQ(woken, 0) << "set() must not run the waiters itself";
    co_await group.join();
    EXPECT_EQ(woken, 3);
    co_await event.wait();
    event.reset();
    EXPECT_FALSE(event.is_set());
  });
}

TEST_F(Sync, EventReleasesItsWaitersThoughResetAtOnce) {
  run([this]() -> Task<> {
    Event event;
    TaskGroup group(ring());
    auto waiter = [&]() -> Task<> { co_await event.wait(); };
    group.spawn(waiter());
    co_await ring().sleep(1ms);
    event.set();
    event.reset();
    co_await group.join();
  });
}

TEST_F(Sync, SemaphoreIsFifoAndBounded) {
  run([this]() -> Task<> {
    Semaphore semaphore(2);
    std::vector<int> order;
    int inside = 0;
    int most_inside = 0;
    TaskGroup group(ring());
    auto member = [&](int number) -> Task<> {
      const Permit permit = co_await semaphore.acquire();
      order.push_back(number);
      most_inside = std::max(most_inside, ++inside);
      co_await ring().statx(dir(), ".");
      --inside;
    };
    std::vector<int> expected;
    for (int i = 0; i < 20; ++i) {
      group.spawn(member(i));
      expected.push_back(i);
    }
    co_await group.join();
    EXPECT_EQ(order, expected);
    EXPECT_EQ(most_inside, 2);
    EXPECT_EQ(semaphore.available(), 2U);
  });
}

TEST_F(Sync, SemaphoreSmallRequestDoesNotOvertakeALargeOne) {
  run([this]() -> Task<> {
    Semaphore semaphore(4);
    std::vector<std::string> order;
    Permit first = co_await semaphore.acquire(3);
    TaskGroup group(ring());
    auto member = [&](std::size_t units, std::string name) -> Task<> {
      const Permit permit = co_await semaphore.acquire(units);
      order.push_back(name);
    };
    std::string large = "large";
    std::string small = "small";
    group.spawn(member(100, large));  // all there are
    group.spawn(member(1, small));
    co_await ring().sleep(1ms);
    EXPECT_TRUE(order.empty());
    first.release();
    first.release();
    co_await group.join();
    EXPECT_EQ(order, (std::vector<std::string>{"large", "small"}));
    EXPECT_EQ(semaphore.available(), 4U);
  });
}

TEST_F(Sync, PermitMovesWithItsUnits) {
  run([]() -> Task<> {
    Semaphore semaphore(3);
    {
      Permit outer;
      {
        Permit inner = co_await semaphore.acquire(2);
        outer = std::move(inner);
      }
      EXPECT_EQ(semaphore.available(), 1U);
    }
    EXPECT_EQ(semaphore.available(), 3U);
  });
}

TEST_F(Sync, TaskGroupMembersMaySpawnMembers) {
  run([this]() -> Task<> {
    TaskGroup group(ring());
    int done = 0;
    auto leaf = [&]() -> Task<> {
      co_await ring().statx(dir(), ".");
      ++done;
    };
    auto branch = [&]() -> Task<> {
      for (int i = 0; i < 3; ++i) group.spawn(leaf());
      ++done;
      co_return;
    };
    for (int i = 0; i < 3; ++i) group.spawn(branch());
    co_await group.join();
    EXPECT_EQ(done, 12);
    co_await group.join();
    group.spawn(leaf());
    co_await group.join();
    EXPECT_EQ(done, 13);
  });
}

TEST_F(Sync, TaskGroupJoinThrowsTheFirstExceptionAfterAllEnded) {
  run([this]() -> Task<> {
    TaskGroup group(ring());
    bool other_done = false;
    auto failing = [&]() -> Task<> { co_await throws(ring()); };
    auto other = [&]() -> Task<> {
      co_await ring().sleep(5ms);
      other_done = true;
    };
    group.spawn(failing());
    group.spawn(other());
    bool caught = false;
    try {
      co_await group.join();
    } catch (const std::runtime_error&) {
      caught = true;
    }
    EXPECT_TRUE(caught);
    EXPECT_TRUE(other_done);
  });
}

}  // namespace
}  // namespace mirrorfs::ring
