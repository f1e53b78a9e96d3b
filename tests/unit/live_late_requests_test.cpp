// G1: what a server carries out after it was repaired does not stay. The late request is the test's
// own, in the directory that the filesystem shows.
//
// The mutants: a mark that ends with the first reconcile; a second look that believes the page
// cache.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <chrono>

#include "failing_replica_fixture.h"

namespace mirrorfs::testing {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

class LiveLateRequests : public FailingReplicaTest {
 protected:
  void start_with_server() {
    MirrorOptions changed = options();
    changed.late_requests = kMargin;
    start(changed);
  }
  [[nodiscard]] std::filesystem::path stored(const std::string& path) const {
    return base_ / "backing" / path;
  }
  [[nodiscard]] mode_t stored_mode(const std::string& path) const {
    struct stat status{};
    EXPECT_EQ(::lstat(stored(path).c_str(), &status), 0) << path;
    return status.st_mode & 07777;
  }
  /// A chmod that fails, and is repaired.
  void fail_and_repair() {
    filesystem_->faults().inject(Call::kChangeMode, {.error = EIO});
    ASSERT_TRUE(driver_->chmod("file", 0640));
    ASSERT_TRUE(eventually([&] { return mirror_->status().errors_total > 0; }));
    filesystem_->faults().heal();
    ASSERT_TRUE(eventually([&] { return stored_mode("file") == 0640; }));
  }

  static constexpr milliseconds kMargin{1500};
};

TEST_F(LiveLateRequests, G1WhatIsCarriedOutLateIsFound) {
  put_source("file", "content");
  start_with_server();
  expect_equal();
  fail_and_repair();
  EXPECT_NE(mirror_->status().state, MirrorState::kInSync) << "it may still be changed";
  ASSERT_EQ(::chmod(stored("file").c_str(), 0600), 0);
  ASSERT_EQ(::truncate(stored("file").c_str(), 3), 0);
  expect_equal();
  EXPECT_EQ(mirror_->status().state, MirrorState::kInSync);
  EXPECT_EQ(stored_mode("file"), 0640U);
  EXPECT_EQ(replica_content("file"), "content");
  EXPECT_TRUE(stop());
}

TEST_F(LiveLateRequests, G1AStopWaitsForTheSecondLook) {
  put_source("file", "content");
  start_with_server();
  expect_equal();
  fail_and_repair();
  const auto begin = Clock::now();
  ASSERT_EQ(::chmod(stored("file").c_str(), 0600), 0);
  EXPECT_TRUE(stop());
  EXPECT_GT(Clock::now() - begin, kMargin / 2);
  EXPECT_EQ(stored_mode("file"), 0640U);
}

}  // namespace
}  // namespace mirrorfs::testing
