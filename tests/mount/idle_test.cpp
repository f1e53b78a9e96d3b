// An idle daemon sleeps: no thread of it wakes up while nothing happens in the mount.
// MIRRORFS_IDLE_SECONDS=60 for the long form.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <thread>

#include "fuse_rings.h"
#include "mirror_mount.h"
#include "process_facts.h"

namespace mirrorfs::test {
namespace {

std::chrono::seconds idle_time() {
  const char* const given = std::getenv("MIRRORFS_IDLE_SECONDS");
  return std::chrono::seconds(given != nullptr ? std::stol(given) : 10);
}

class Idle : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
    if (std::string(GetParam()) == "uring") {
      if (!FuseRings::exist()) GTEST_SKIP() << "the kernel has no FUSE over io_uring";
      rings_ = std::make_unique<FuseRings>();
    }
  }

  /// A mount that has worked, is in sync, and has been left alone for a while.
  std::unique_ptr<MirrorMount> idle_mount(std::vector<std::string> options) {
    options.push_back(std::string("--transport=") + GetParam());
    auto mirror = std::make_unique<MirrorMount>(MirrorSetup{
        .options = std::move(options), .patience = std::chrono::seconds(90) + 3 * idle_time()});
    mirror->start();
    for (unsigned number = 0; number < 50; ++number) {
      write_file(mirror->mount(fmt::format("file{}", number)), pattern(10'000, number));
    }
    sync_file(mirror->mount("file1"));
    mirror->wait();
    // What is put off for a moment (attributes, workers that end for lack of work) is done by then.
    std::this_thread::sleep_for(std::chrono::seconds(8));
    return mirror;
  }

  static void expect_no_wake_ups(pid_t daemon) {
    const auto before = sleeps_by_thread(daemon);
    std::this_thread::sleep_for(idle_time());
    for (const auto& [thread, sleeps] : sleeps_by_thread(daemon)) {
      // The last idle one of a ring looks up every five seconds (io_wq_worker in io_uring/io-wq.c).
      if (thread.starts_with("iou-wrk-")) continue;
      const auto found = before.find(thread);
      EXPECT_EQ(sleeps, found == before.end() ? 0 : found->second)
          << "wake-ups of the thread " << thread << " in " << idle_time().count() << " s";
    }
  }

  std::unique_ptr<FuseRings> rings_;
};

TEST_P(Idle, NoThreadWakesUpWhileNothingHappens) {
  const auto mirror = idle_mount({});
  expect_no_wake_ups(mirror->daemon_pid());
  write_file(mirror->mount("and then"), "it still works");
  EXPECT_TRUE(mirror->identical());
  mirror->stop();
}

TEST_P(Idle, NoThreadWakesUpWhileNothingHappensInModeFsync) {
  const auto mirror = idle_mount({"--mode=fsync"});
  expect_no_wake_ups(mirror->daemon_pid());
  EXPECT_TRUE(mirror->identical());
  mirror->stop();
}

/// What strace(1) sees after its own arrival, which ends each call that a thread sleeps in once.
std::map<std::string, unsigned> calls_seen(const Path& record) {
  std::map<std::string, unsigned> calls;
  std::ifstream file(record);
  double first = 0;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string thread, call;
    double time = 0;
    words >> thread >> time >> call;
    if (first == 0) first = time;
    if (time > first + 1) ++calls[call.substr(0, call.find('('))];
  }
  return calls;
}

TEST_P(Idle, NoSystemCallIsMadeWhileNothingHappens) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer makes calls of its own";
#endif
  if (run({"strace", "-V"}).exit_code != 0) GTEST_SKIP() << "strace is not installed";
  const auto mirror = idle_mount({});
  const Path record = mirror->base() / "calls";
  const UniqueFd nothing = open_file("/dev/null", O_WRONLY);
  ChildProcess strace = ChildProcess::start({"strace", "-f", "-ttt", "-qq", "-o", record.string(),
                                             "-p", std::to_string(mirror->daemon_pid())},
                                            {}, nothing.get(), nothing.get());
  std::this_thread::sleep_for(std::chrono::seconds(1) + idle_time());
  // It detaches, and writes what the threads are in by then.
  const auto calls = calls_seen(record);
  strace.signal(SIGINT);
  EXPECT_TRUE(strace.wait(milliseconds(10'000)));
  for (const auto& [call, number] : calls) {
    ADD_FAILURE() << call << ": " << number << " in " << idle_time().count() << " s";
  }
  EXPECT_GT(std::filesystem::file_size(record), 0U) << "strace saw no thread at all";
  EXPECT_TRUE(mirror->identical());
  mirror->stop();
}

INSTANTIATE_TEST_SUITE_P(Daemon, Idle, testing::Values("dev", "uring"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace mirrorfs::test
