// The whole engine without FUSE: operations in, an equal replica out.
#include <gtest/gtest.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "live_fixture.h"
#include "tree_fixture.h"

namespace mirrorfs::testing {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

TEST_F(LiveTest, G2EmptyTreesAreEqual) {
  start();
  expect_equal();
  EXPECT_TRUE(stop());
}

TEST_F(LiveTest, G2EveryKindOfOperationIsApplied) {
  start();
  SourceDriver& source = *driver_;
  ASSERT_TRUE(source.mkdir("d", 02755));
  ASSERT_TRUE(source.create("d/file", 04711));
  ASSERT_TRUE(source.write("d/file", 0, "hello"));
  ASSERT_TRUE(source.write("d/file", 100'000, "far"));
  ASSERT_TRUE(source.truncate("d/file", 70'000));
  ASSERT_TRUE(source.symlink("nowhere", "d/link"));
  ASSERT_TRUE(source.make_fifo("d/fifo"));
  ASSERT_TRUE(source.link("d/file", "second"));
  ASSERT_TRUE(source.set_mtime("d/link", {.tv_sec = -5, .tv_nsec = 123}));
  ASSERT_TRUE(source.chmod("d", 01777));
  ASSERT_TRUE(source.rename("second", "d/third"));
  ASSERT_TRUE(source.create("gone"));
  ASSERT_TRUE(source.unlink("gone"));
  ASSERT_TRUE(source.mkdir("void"));
  ASSERT_TRUE(source.rmdir("void"));
  expect_equal();
  EXPECT_EQ(mirror_->status().errors_total, 0U) << mirror_->status().last_error;
  EXPECT_TRUE(stop());
}

TEST_F(LiveTest, G2TimesOfFilesAndDirectoriesEndAsOnTheSource) {
  start();
  ASSERT_TRUE(driver_->mkdir("a"));
  ASSERT_TRUE(driver_->mkdir("a/b"));
  for (int i = 0; i < 50; ++i) {
    const std::string name = "a/b/f" + std::to_string(i);
    ASSERT_TRUE(driver_->create(name));
    ASSERT_TRUE(driver_->write(name, 0, "x"));
  }
  ASSERT_TRUE(driver_->set_mtime("a/b/f7", {.tv_sec = 4'000'000'000, .tv_nsec = 999'999'999}));
  expect_equal();
}

TEST_F(LiveTest, G2BaselineCopiesWhatWasThere) {
  put_source("x/y/z", "deep");
  put_source("top", std::string(100'000, 't'));
  fs::create_symlink("top", source_ / "link");
  fs::create_hard_link(source_ / "top", source_ / "x/same");
  start();
  expect_equal();
  EXPECT_EQ(replica_content("x/y/z"), "deep");
  EXPECT_TRUE(stop());
}

TEST_F(LiveTest, G2LargeFilesAreReconciledOnTheirOwn) {
  put_source("large", std::string(20 << 20, 'l'));
  start();
  ASSERT_TRUE(driver_->write("large", 5, "changed"));
  expect_equal();
}

TEST_F(LiveTest, G2RenamedTreesKeepTheirContent) {
  put_source("a/b/c/file", "1");
  start();
  expect_equal();
  ASSERT_TRUE(driver_->rename("a/b", "moved"));
  ASSERT_TRUE(driver_->write("moved/c/file", 0, "2"));
  ASSERT_TRUE(driver_->mkdir("a/b"));
  ASSERT_TRUE(driver_->rename("moved/c", "a/b/c"));
  ASSERT_TRUE(driver_->create("a/b/c/new"));
  expect_equal();
  EXPECT_EQ(replica_content("a/b/c/file"), "2");
}

TEST_F(LiveTest, G2ExchangeSwapsFilesAndDirectories) {
  put_source("d/in", "directory");
  put_source("f", "file");
  start();
  expect_equal();
  ASSERT_TRUE(driver_->rename("d", "f", RENAME_EXCHANGE));
  ASSERT_TRUE(driver_->write("d", 0, "FILE"));
  ASSERT_TRUE(driver_->write("f/in", 0, "DIR"));
  expect_equal();
}

TEST_F(LiveTest, G2OperationsOnUnlinkedFilesLeaveNothing) {
  start();
  ASSERT_TRUE(driver_->create("f"));
  ASSERT_TRUE(driver_->link("f", "g"));
  ASSERT_TRUE(driver_->unlink("f"));
  ASSERT_TRUE(driver_->write("g", 0, "kept"));
  ASSERT_TRUE(driver_->unlink("g"));
  expect_equal();
}

TEST_F(LiveTest, G1WhatCannotBeAppliedIsReconciled) {
  put_source("d/f", "old");
  start();
  expect_equal();
  fs::remove_all(replica_ / "d");  // somebody damages the replica
  ASSERT_TRUE(driver_->write("d/f", 0, "new"));
  ASSERT_TRUE(driver_->create("d/other"));
  expect_equal();
  EXPECT_EQ(replica_content("d/f"), "new");
}

TEST_F(LiveTest, G1AFailureIsNamedAndHealsByItself) {
  start();
  expect_equal();
  ASSERT_TRUE(driver_->mkdir("d"));
  expect_equal();
  fs::remove(replica_ / "d");
  std::ofstream(replica_ / "d") << "a file where a directory must be";
  ASSERT_TRUE(driver_->create("d/inside"));
  expect_equal();
  EXPECT_TRUE(fs::is_directory(replica_ / "d"));
}

// The engine is not told where the directory is now: it has to look for it.
TEST_F(LiveTest, G2ADirectoryMovedBehindTheMountIsFound) {
  put_source("a/old", "of a");
  put_source("b/below/old", "of b");
  start();
  expect_equal();
  std::filesystem::rename(source_ / "b", source_ / "moved");
  std::filesystem::remove_all(replica_ / "b");
  ASSERT_TRUE(driver_->create("moved/below/new"));
  expect_equal();
  EXPECT_TRUE(stop());
}

TEST_F(LiveTest, G2ADirectoryReplacedByASymlinkBehindTheMountIsFound) {
  put_source("b/below/old", "of b");
  start();
  expect_equal();
  std::filesystem::rename(source_ / "b", source_ / "moved");
  std::filesystem::create_symlink("moved", source_ / "b");
  std::filesystem::remove_all(replica_ / "b");
  std::filesystem::create_symlink("elsewhere", replica_ / "b");
  ASSERT_TRUE(driver_->create("moved/below/new"));
  expect_equal();
  EXPECT_TRUE(stop());
}

TEST_F(LiveTest, G2ADirectoryRemovedBehindTheMountHoldsNothingUp) {
  put_source("a/old", "of a");
  put_source("b/old", "of b");
  start();
  expect_equal();
  std::filesystem::rename(source_ / "a", base_ / "away");
  std::filesystem::rename(source_ / "b", source_ / "a");
  std::filesystem::remove_all(replica_ / "b");
  ASSERT_TRUE(driver_->create("a/new"));
  expect_equal();
  EXPECT_TRUE(stop());
}

TEST_F(LiveTest, G8UnpairedReplicaWithContentIsRefused) {
  put_replica("precious", "data");
  const auto opened = Mirror::open(options());
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().find("--adopt"), std::string::npos) << opened.error();
  EXPECT_FALSE(fs::exists(replica_ / kReservedName)) << "the refused replica was changed";
}

TEST_F(LiveTest, G8AStateDirectoryThatCannotBeRefusesBeforeTheReplicaIsTouched) {
  MirrorOptions bad = options();
  std::ofstream(base_ / "file") << "x";
  bad.state_dir = base_ / "file";
  const auto opened = Mirror::open(bad);
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().find("--state-dir"), std::string::npos) << opened.error();
  EXPECT_FALSE(fs::exists(replica_ / kReservedName));
}

TEST_F(LiveTest, G8AdoptionMakesTheReplicaEqual) {
  put_replica("extraneous/deep", "x");
  put_replica("same", "stale!");
  put_source("same", "source");
  MirrorOptions adopt = options();
  adopt.adopt = true;
  start(adopt);
  expect_equal();
  EXPECT_FALSE(fs::exists(replica_ / "extraneous"));
  EXPECT_EQ(replica_content("same"), "source");
}

TEST_F(LiveTest, G8OneEnginePerReplica) {
  start();
  const auto second = Mirror::open(options());
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().find("in use"), std::string::npos) << second.error();
}

TEST_F(LiveTest, G8NestingIsRefused) {
  MirrorOptions nested = options();
  nested.replica = source_ / "inner";
  fs::create_directory(nested.replica);
  EXPECT_FALSE(Mirror::open(nested));
  std::swap(nested.source, nested.replica);
  EXPECT_FALSE(Mirror::open(nested));
  nested.source = nested.replica = replica_;
  EXPECT_FALSE(Mirror::open(nested));
  nested = options();
  nested.mount_point = replica_;
  EXPECT_FALSE(Mirror::open(nested));
  nested.mount_point = source_;
  EXPECT_TRUE(Mirror::open(nested)) << "over the source itself is allowed";
}

TEST_F(LiveTest, G8AnotherSourceIsRefused) {
  start();
  expect_equal();
  EXPECT_TRUE(stop());
  MirrorOptions other = options();
  other.source = base_ / "other";
  fs::create_directory(other.source);
  const auto opened = Mirror::open(other);
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().find("another source"), std::string::npos) << opened.error();
}

TEST_F(LiveTest, G1ChangesOfALostSessionAreFoundThoughSizeAndTimeAgree) {
  put_source("f", "aaaa");
  start();
  expect_equal();
  const auto time = fs::last_write_time(source_ / "f");
  ASSERT_TRUE(mirror_->pause());
  ASSERT_TRUE(driver_->write("f", 0, "bbbb"));
  crash();
  fs::last_write_time(source_ / "f", time);
  start();
  expect_equal();
  EXPECT_EQ(replica_content("f"), "bbbb");
}

TEST_F(LiveTest, CleanStopIsRemembered) {
  put_source("f", "aaaa");
  start();
  expect_equal();
  ASSERT_TRUE(stop());
  MirrorOptions trusting = options();
  trusting.check = Check::kNone;
  start(trusting);
  EXPECT_FALSE(mirror_->status().baseline.running);
  ASSERT_TRUE(driver_->write("f", 0, "cccc"));
  expect_equal();
}

TEST_F(LiveTest, QueuedOperationsAreAppliedBeforeTheStop) {
  start();
  expect_equal();
  ASSERT_TRUE(mirror_->pause());
  ASSERT_TRUE(driver_->create("f"));
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(driver_->write("f", static_cast<std::uint64_t>(i) * 4096, std::string(4096, 'q')));
  }
  EXPECT_TRUE(stop());
  expect_trees_equal();
}

TEST_F(LiveTest, PausedEngineQueuesAndSaysSo) {
  start();
  expect_equal();
  ASSERT_TRUE(mirror_->pause());
  ASSERT_TRUE(driver_->create("f"));
  EXPECT_FALSE(mirror_->wait(100ms));
  EXPECT_EQ(mirror_->status().state, MirrorState::kPaused);
  EXPECT_FALSE(fs::exists(replica_ / "f"));
  mirror_->resume();
  expect_equal();
}

// A copy of it made then is of one moment.
TEST_F(LiveTest, WhenPauseReturnsTheReplicaStandsStill) {
  start();
  expect_equal();
  ASSERT_TRUE(mirror_->pause());
  for (int i = 0; i < 40; ++i) {
    const std::string name = std::to_string(i);
    ASSERT_TRUE(driver_->create(name));
    ASSERT_TRUE(driver_->write(name, 0, std::string(1 << 20, 'x')));
  }
  mirror_->resume();
  ASSERT_TRUE(mirror_->pause());
  const Snapshot before = snapshot_of(replica_);
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(differences(before, snapshot_of(replica_)), "");
  mirror_->resume();
  expect_equal();
}

TEST_F(LiveTest, G5CatchUpConvergesAfterAnOverflow) {
  start_with_queue_of(200'000);
  expect_equal();
  ASSERT_TRUE(mirror_->pause());
  ASSERT_TRUE(driver_->create("f"));
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(driver_->write("f", static_cast<std::uint64_t>(i) * 50'000,
                               std::string(50'000, static_cast<char>('a' + i))));
  }
  mirror_->resume();
  expect_equal();
}

TEST_F(LiveTest, G1AWalkMaySeeAChangeThatIsNotRecordedYet) {
  put_source("d/x", "one");
  put_source("d/y", "another");
  start();
  ASSERT_TRUE(mirror_->pause());
  driver_->before_next_record([this] {
    mirror_->resume();
    wait_for_replica("d/x", "another");
  });
  ASSERT_TRUE(driver_->rename("d/x", "d/y", RENAME_EXCHANGE));
  expect_equal();
  EXPECT_EQ(replica_content("d/x"), "another");
}

TEST_F(LiveTest, G1AnEntrysReconcileMaySeeAChangeThatIsNotRecordedYet) {
  start_with_queue_of(100'000);
  expect_equal();
  ASSERT_TRUE(mirror_->pause());
  for (const char* name : {"x", "y"}) {
    ASSERT_TRUE(driver_->create(name));
    for (int i = 0; i < 4; ++i) ASSERT_TRUE(driver_->write(name, 0, std::string(50'000, *name)));
  }
  driver_->before_next_record([this] {
    mirror_->resume();  // what was dropped on overflow is reconciled
    wait_for_replica("x", std::string(50'000, 'y'));
  });
  ASSERT_TRUE(driver_->rename("x", "y", RENAME_EXCHANGE));
  expect_equal();
  EXPECT_EQ(replica_content("x"), std::string(50'000, 'y'));
}

TEST_F(LiveTest, G3NothingPassesABarrier) {
  start();
  expect_equal();
  ASSERT_TRUE(driver_->create("before"));
  ASSERT_TRUE(driver_->create("after"));
  std::atomic<bool> stop_reading{false};
  std::atomic<int> violations{0};
  const auto number_in = [this](const char* name) {
    const std::string text = replica_content(name);
    return text.empty() || text[0] == '(' ? 0 : std::stoi(text);
  };
  std::thread reader([&] {
    while (!stop_reading) {
      const int after = number_in("after");  // read the later one first
      const int before = number_in("before");
      if (before < after) ++violations;
    }
  });
  for (int i = 1; i <= 300; ++i) {
    char text[16];
    ::snprintf(text, sizeof text, "%08d", i);
    ASSERT_TRUE(driver_->write("before", 0, text));
    driver_->barrier();
    ASSERT_TRUE(driver_->write("after", 0, text));
  }
  expect_equal();
  stop_reading = true;
  reader.join();
  EXPECT_EQ(violations, 0);
}

}  // namespace
}  // namespace mirrorfs::testing
