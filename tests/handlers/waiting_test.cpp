// G4: who waits for the replica, or for room in the queue, keeps nobody else waiting and can be
// killed. By both transports: a ring has one thread for all requests of a processor.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "fs/session/transport.h"
#include "tests/handlers/mounted.h"

namespace mirrorfs::testing {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

/// A process that does something on the mount. Killed at the end of its scope.
class Child {
 public:
  explicit Child(const std::function<int()>& work) : pid_(::fork()) {
    if (pid_ != 0) return;
    ::signal(SIGUSR1, [](int) {});
    ::_exit(work());
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  ~Child() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    (void)ended_within(10s);
  }

  void signal(int number) const { ::kill(pid_, number); }
  [[nodiscard]] bool ended_within(std::chrono::milliseconds patience) {
    const auto end = Clock::now() + patience;
    for (; pid_ > 0; std::this_thread::sleep_for(2ms)) {
      if (::waitpid(pid_, &status_, WNOHANG) == pid_) pid_ = -1;
      if (Clock::now() > end) break;
    }
    return pid_ <= 0;
  }
  [[nodiscard]] int exit_code() const { return WIFEXITED(status_) ? WEXITSTATUS(status_) : -1; }

 private:
  pid_t pid_;
  int status_ = 0;
};

class Waiting : public Mounted, public ::testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    if (std::string(GetParam()) == "uring" &&
        !(fs::kernel_offers_uring() && fs::library_offers_uring())) {
      GTEST_SKIP() << "no FUSE over io_uring: the fuse module's enable_uring is off";
    }
    Mounted::SetUp();
  }
  void TearDown() override {
    replicator_.release();
    replicator_.make_room();
    Mounted::TearDown();
  }
  const char* transport() const override { return GetParam(); }

  // Each on an object of its own: the kernel itself lets one change of a file, or of the names in a
  // directory, after the other reach us (inode_lock), and look-ups in such a directory wait too.
  void make_files_and_directories(std::size_t count) const {
    make_file("file", "content");
    for (std::size_t i = 0; i < count; ++i) {
      make_file("file" + std::to_string(i), "content");
      ASSERT_EQ(::mkdir(mount("folder" + std::to_string(i)).c_str(), 0755), 0);
    }
  }
  [[nodiscard]] Child fsync_in_child(std::size_t number = 0) const {
    return Child([path = mount("file" + std::to_string(number))] {
      const int fd = ::open(path.c_str(), O_WRONLY);
      return fd < 0 || ::fsync(fd) == 0 ? 0 : errno;
    });
  }
  [[nodiscard]] Child chmod_in_child(std::size_t number = 0) const {
    return Child([path = mount("file" + std::to_string(number))] {
      return ::chmod(path.c_str(), 0600) == 0 ? 0 : errno;
    });
  }
  void wait_until_held(std::size_t count) const {
    for (int i = 0; i < 2000 && replicator_.held() < count; ++i) std::this_thread::sleep_for(5ms);
    ASSERT_EQ(replicator_.held(), count);
  }
  void wait_until_waiting_for_room(int count) const {
    for (int i = 0; i < 2000 && replicator_.waited_for_room() < count; ++i) {
      std::this_thread::sleep_for(5ms);
    }
    ASSERT_EQ(replicator_.waited_for_room(), count);
  }

  /// Everything that only reads, in a process of its own for each processor, so that a hanging one
  /// fails the test instead of hanging it.
  void expect_readers_unhindered() {
    std::vector<Child> readers;
    const unsigned processors = std::thread::hardware_concurrency();
    for (unsigned cpu = 0; cpu < processors; ++cpu) {
      readers.emplace_back([this, cpu] {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(cpu, &set);
        (void)::sched_setaffinity(0, sizeof set, &set);
        struct stat found{};
        struct statvfs statistics{};
        const bool looked = ::stat(mount("file").c_str(), &found) == 0 &&
                            ::stat(mount("never seen").c_str(), &found) != 0 &&
                            ::statvfs(mount(".").c_str(), &statistics) == 0;
        return looked && read_file(mount("file")) == "content" ? 0 : 1;
      });
    }
    for (Child& reader : readers) {
      EXPECT_TRUE(reader.ended_within(10s)) << "a reader waits for the replica";
      EXPECT_EQ(reader.exit_code(), 0);
    }
  }
};

TEST_P(Waiting, G4ReadersPassAnFsyncThatWaits) {
  std::vector<Child> waiters;
  const std::size_t count = 2 * std::thread::hardware_concurrency();
  make_files_and_directories(count);
  replicator_.hold_back();
  for (std::size_t i = 0; i < count; ++i) waiters.push_back(fsync_in_child(i));
  wait_until_held(count);
  expect_readers_unhindered();
  replicator_.release();
  for (Child& waiter : waiters) {
    EXPECT_TRUE(waiter.ended_within(10s));
    EXPECT_EQ(waiter.exit_code(), 0);
  }
}

TEST_P(Waiting, G4FsyncThatWaitsCanBeKilled) {
  make_files_and_directories(1);
  replicator_.hold_back();
  Child waiter = fsync_in_child();
  wait_until_held(1);
  waiter.signal(SIGKILL);
  EXPECT_TRUE(waiter.ended_within(5s)) << "stays in state D";
  EXPECT_EQ(replicator_.held(), 0U) << "the wait was not taken back";
}

TEST_P(Waiting, OtherSignalsDoNotEndAnFsync) {
  make_files_and_directories(1);
  replicator_.hold_back();
  Child waiter = fsync_in_child();
  wait_until_held(1);
  for (int i = 0; i < 3; ++i) {
    waiter.signal(SIGUSR1);
    std::this_thread::sleep_for(120ms);
  }
  EXPECT_EQ(replicator_.held(), 1U);
  replicator_.release();
  ASSERT_TRUE(waiter.ended_within(10s));
  EXPECT_EQ(waiter.exit_code(), 0) << "fsync was interrupted";
}

TEST_P(Waiting, G4ReadersPassAWriterThatWaitsForRoom) {
  make_files_and_directories(4);
  replicator_.become_full();
  std::vector<Child> waiters;
  for (std::size_t i = 0; i < 4; ++i) waiters.push_back(chmod_in_child(i));
  wait_until_waiting_for_room(4);
  expect_readers_unhindered();
  (void)take();
  replicator_.make_room();
  for (Child& waiter : waiters) {
    EXPECT_TRUE(waiter.ended_within(10s));
    EXPECT_EQ(waiter.exit_code(), 0);
  }
  EXPECT_EQ(look("file3").permissions(), 0600U);
  EXPECT_EQ(take_only<SetAttributes>().size(), 4U);
}

TEST_P(Waiting, G4WriterThatWaitsForRoomCanBeKilledAndChangesNothing) {
  make_files_and_directories(1);
  const mode_t before = look("file0").permissions();
  (void)take();
  replicator_.become_full();
  Child waiter = chmod_in_child();
  wait_until_waiting_for_room(1);
  waiter.signal(SIGKILL);
  EXPECT_TRUE(waiter.ended_within(5s)) << "stays in state D";
  replicator_.make_room();
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(look("file0").permissions(), before);
  EXPECT_TRUE(take().empty());
}

TEST_P(Waiting, MountCanBeTakenAwayWhileSomebodyWaits) {
  make_files_and_directories(1);
  replicator_.hold_back();
  Child waiter = fsync_in_child();
  wait_until_held(1);
  TearDown();  // detaches the mount, and releases
  EXPECT_TRUE(waiter.ended_within(10s));
}

/// Data of a request belongs to libfuse until its callback returns: what waits has a copy.
TEST_P(Waiting, RequestsThatWaitForRoomKeepWhatTheyWereGiven) {
  make_files_and_directories(4);
  replicator_.become_full();
  std::vector<Child> waiters;
  waiters.emplace_back([this] {
    const int fd = ::open(mount("file0").c_str(), O_WRONLY);
    return ::pwrite(fd, "CONT", 4, 0) == 4 ? 0 : 1;
  });
  waiters.emplace_back(
      [this] { return ::mkdir(mount("folder1/made").c_str(), 0750) == 0 ? 0 : 1; });
  waiters.emplace_back(
      [this] { return ::symlink("there", mount("folder2/link").c_str()) == 0 ? 0 : 1; });
  waiters.emplace_back([this] {
    const int fd = ::open(mount("folder3/created").c_str(), O_RDWR | O_CREAT, 0640);
    return fd < 0 || ::ftruncate(fd, 77) != 0 ? 1 : 0;
  });
  wait_until_waiting_for_room(4);
  expect_readers_unhindered();
  replicator_.make_room();
  for (Child& waiter : waiters) {
    EXPECT_TRUE(waiter.ended_within(10s));
    EXPECT_EQ(waiter.exit_code(), 0);
  }
  EXPECT_EQ(read_file(source("file0")), "CONTent");
  EXPECT_EQ(look("folder1/made").permissions(), 0750U);
  EXPECT_TRUE(look("folder2/link").is_symlink());
  EXPECT_EQ(look("folder3/created").size, 77U);
}

INSTANTIATE_TEST_SUITE_P(Transports, Waiting, ::testing::Values("dev", "uring"),
                         [](const auto& chosen) { return std::string(chosen.param); });

}  // namespace
}  // namespace mirrorfs::testing
