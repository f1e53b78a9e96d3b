// How many of the kernel's workers a ring lets run.
#include <fcntl.h>
#include <sys/stat.h>

#include <atomic>
#include <future>
#include <thread>

#include "engine/ring/ring.h"
#include "engine/ring/worker_limit.h"
#include "ring_fixture.h"

namespace mirrorfs::ring {
namespace {

using std::chrono::milliseconds;

TEST(RingWorkers, MoreAreWantedWhenProcessorsIdle) {
  const auto wants = [](int ring_thread, int others, unsigned processors) {
    return wants_more_workers({.wall = milliseconds(20),
                               .ring_thread = milliseconds(ring_thread),
                               .others = milliseconds(others)},
                              processors);
  };
  EXPECT_TRUE(wants(0, 0, 1)) << "a disk";
  EXPECT_TRUE(wants(1, 20, 2)) << "one processor's worth of work in the kernel";
  EXPECT_TRUE(wants(20, 20, 4));
  EXPECT_FALSE(wants(18, 18, 2)) << "both compute";
  EXPECT_FALSE(wants(20, 11, 2)) << "the ring's thread is what is waited for";
  EXPECT_FALSE(wants(8, 8, 1));
}

class RingWorkersOf : public RingFixture {};

// An open that may create goes to a worker at once, where it sleeps until there is a writer.
Task<void> open_fifo(Ring& ring, int dirfd, bool& opened) {
  Result<UniqueFd> reader = co_await ring.open(dirfd, "fifo", O_RDONLY | O_CREAT, 0600);
  opened = reader.has_value();
}

Task<void> look_beside_it(Ring& ring, int dirfd, std::promise<void>& looked) {
  EXPECT_TRUE(co_await ring.statx(dirfd, "."));
  looked.set_value();
}

Task<void> open_and_look(Ring& ring, int dirfd, bool& opened, std::promise<void>& looked) {
  TaskGroup group(ring);
  group.spawn(open_fifo(ring, dirfd, opened));
  group.spawn(look_beside_it(ring, dirfd, looked));
  co_await group.join();
}

// Nothing else happens on the ring meanwhile: it has to wake by itself to see that.
TEST_F(RingWorkersOf, ASecondOneComesWhenTheFirstSleeps) {
  ASSERT_EQ(::mkfifoat(dir(), "fifo", 0600), 0);
  make_ring({.few_workers = true});
  bool opened = false;
  std::promise<void> looked;
  std::atomic<bool> in_time = false;
  const std::jthread writer([&] {
    in_time = looked.get_future().wait_for(std::chrono::seconds(10)) == std::future_status::ready;
    const UniqueFd fifo(::openat(dir(), "fifo", O_RDWR | O_CLOEXEC));  // ends the sleep
    std::this_thread::sleep_for(milliseconds(200));
  });
  ring().run_task(open_and_look(ring(), dir(), opened, looked));
  EXPECT_TRUE(opened);
  EXPECT_TRUE(in_time) << "the look waited for the FIFO to be opened";
}

}  // namespace
}  // namespace mirrorfs::ring
