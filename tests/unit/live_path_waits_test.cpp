// A wait for some paths (mirrorctl wait MNT PATH): returns while all else goes on, and never too
// early.
#include <gtest/gtest.h>

#include <future>
#include <string>
#include <thread>

#include "failing_replica_fixture.h"
#include "live_fixture.h"

namespace mirrorfs {
namespace {

using namespace std::chrono_literals;

/// A baseline that does not end: what is in `slow` is copied at a kilobyte a second.
class PathWaits : public testing::LiveTest {
 protected:
  void begin() {
    for (int i = 0; i < 4; ++i) {
      put_source("slow/" + std::to_string(i), std::string(300 << 10, 's'));
    }
    put_source("aside/deep/file", "");  // nothing of it is limited
    put_source("aside/other", "");
    MirrorOptions changed = options();
    changed.rate_limit = 1024;
    start(changed);
  }
  bool reached(const std::string& path, std::chrono::milliseconds patience = 20s) {
    return mirror_->wait_for_paths({path}, patience);
  }
  /// Within a time in which it would have been.
  bool reached_soon(const std::string& path) { return reached(path, 700ms); }
  void lift_the_limit() {
    MirrorSettings settings = mirror_->settings();
    settings.rate_limit = 0;
    mirror_->change(settings);
  }
};

TEST_F(PathWaits, AFileAndADirectoryWhileTheBaselineGoesOn) {
  begin();
  EXPECT_TRUE(reached("aside/deep/file"));
  EXPECT_EQ(replica_content("aside/deep/file"), "");
  EXPECT_TRUE(reached("aside"));
  EXPECT_EQ(replica_content("aside/other"), "");
  EXPECT_TRUE(mirror_->wait_for_paths({"aside/deep", "aside/other"}, 20s));
  EXPECT_TRUE(mirror_->status().baseline.running);
  EXPECT_FALSE(reached_soon("slow"));
  EXPECT_FALSE(reached_soon("slow/3"));
  EXPECT_FALSE(reached_soon("")) << "the root is everything";
  EXPECT_FALSE(mirror_->wait_for_paths({"aside", "slow"}, 700ms));
  lift_the_limit();
  EXPECT_TRUE(reached(""));
  expect_equal();
}

TEST_F(PathWaits, WhatApplicationsDoThereIsThere) {
  begin();
  ASSERT_TRUE(reached("aside"));
  for (int i = 0; i < 50; ++i) {
    const std::string name = "aside/deep/new" + std::to_string(i);
    ASSERT_TRUE(driver_->create(name));
    ASSERT_TRUE(driver_->write(name, 0, "new"));
    ASSERT_TRUE(reached(name));
    ASSERT_EQ(replica_content(name), "new");
  }
  ASSERT_TRUE(driver_->unlink("aside/other"));
  ASSERT_TRUE(reached("aside/other"));
  EXPECT_FALSE(std::filesystem::exists(replica_ / "aside/other")) << "a name that went";
  EXPECT_TRUE(mirror_->status().baseline.running);
}

TEST_F(PathWaits, ThroughALinkIsForEverything) {
  std::filesystem::create_directory_symlink("slow", source_ / "link");
  begin();
  ASSERT_TRUE(reached("aside"));
  EXPECT_FALSE(reached_soon("link"));
  EXPECT_FALSE(reached_soon("link/0"));
}

TEST_F(PathWaits, ANameThatIsNotThere) {
  begin();
  EXPECT_TRUE(reached("aside/nothing/below"));
  EXPECT_FALSE(reached_soon("slow/nothing")) << "it may still have to go on the replica";
}

TEST_F(PathWaits, NotWhilePaused) {
  put_source("file", "old");
  start();
  ASSERT_TRUE(reached("file"));
  ASSERT_TRUE(mirror_->pause());
  ASSERT_TRUE(driver_->write("file", 0, "new"));
  EXPECT_FALSE(reached_soon("file"));
  mirror_->resume();
  EXPECT_TRUE(reached("file"));
  EXPECT_EQ(replica_content("file"), "new");
}

TEST_F(PathWaits, AStopEndsThem) {
  begin();
  auto waited = std::async(std::launch::async, [this] { return reached("slow", 60s); });
  std::this_thread::sleep_for(200ms);
  EXPECT_TRUE(mirror_->stop(30s));
  EXPECT_EQ(waited.wait_for(10s), std::future_status::ready);
  mirror_.reset();
  driver_.reset();
  expect_trees_equal();
}

using PathWaitsOnAFailingReplica = testing::FailingReplicaTest;

TEST_F(PathWaitsOnAFailingReplica, WhatIsMovedAwayMayBeAnywhere) {
  put_source("d/file", "old");
  put_source("e/other", "");
  start();
  ASSERT_TRUE(mirror_->wait(20s));
  filesystem_->faults().inject(Call::kWrite, {.error = ENOSPC});
  ASSERT_TRUE(driver_->write("d/file", 0, "new"));
  EXPECT_TRUE(mirror_->wait_for_paths({"e"}, 20s)) << "that is well";
  auto waited =
      std::async(std::launch::async, [this] { return mirror_->wait_for_paths({"d"}, 4s); });
  std::this_thread::sleep_for(300ms);
  ASSERT_TRUE(driver_->rename("d/file", "e/file"));
  ASSERT_TRUE(eventually([this] { return !std::filesystem::exists(replica_ / "d/file"); }));
  EXPECT_FALSE(waited.get()) << "its content is still marked, under another name";
  EXPECT_TRUE(mirror_->wait_for_paths({"d"}, 20s)) << "what is there now";
  EXPECT_FALSE(mirror_->wait_for_paths({"e"}, 500ms));
  filesystem_->faults().heal();
  EXPECT_TRUE(mirror_->wait_for_paths({"e"}, 70s));
  EXPECT_EQ(replica_content("e/file"), "new");
  expect_equal();
}

TEST_F(PathWaitsOnAFailingReplica, AWaitForEverythingFollowsWhatIsRenamed) {
  put_source("file", "old");
  start();
  ASSERT_TRUE(mirror_->wait(20s));
  filesystem_->faults().inject(Call::kWrite, {.error = ENOSPC});
  ASSERT_TRUE(driver_->write("file", 0, "new"));
  auto waited = std::async(std::launch::async, [this] { return mirror_->wait(4s); });
  std::this_thread::sleep_for(300ms);
  ASSERT_TRUE(driver_->rename("file", "other"));
  ASSERT_TRUE(eventually([this] { return !std::filesystem::exists(replica_ / "file"); }));
  EXPECT_FALSE(waited.get()) << "what was written before is nowhere on the replica";
  filesystem_->faults().heal();
  EXPECT_TRUE(mirror_->wait(70s));
  EXPECT_EQ(replica_content("other"), "new");
}

}  // namespace
}  // namespace mirrorfs
