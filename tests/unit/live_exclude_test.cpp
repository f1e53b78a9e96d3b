// What is excluded is not mirrored, and left alone on the replica.
#include <fcntl.h>

#include "live_exclude_fixture.h"

namespace mirrorfs::testing {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

TEST_F(LiveExcludeTest, NothingOfItIsMirrored) {
  put_source("kept/a.c", "c");
  put_source("kept/a.o", "o");
  put_source("build/x/y", "y");
  mirror_without({"*.o", "build/"});
  EXPECT_TRUE(on_replica("kept/a.c"));
  EXPECT_FALSE(on_replica("kept/a.o"));
  EXPECT_FALSE(on_replica("build"));
  ASSERT_TRUE(driver_->create("kept/b.o"));
  ASSERT_TRUE(driver_->write("kept/b.o", 0, "more"));
  ASSERT_TRUE(driver_->mkdir("kept/build"));
  ASSERT_TRUE(driver_->create("kept/build/z"));
  ASSERT_TRUE(driver_->unlink("kept/a.o"));
  ASSERT_TRUE(driver_->create("build/x/new"));
  ASSERT_TRUE(driver_->unlink("build/x/y"));
  expect_equal();
  EXPECT_FALSE(on_replica("kept/b.o"));
  EXPECT_FALSE(on_replica("kept/build"));
  EXPECT_EQ(mirror_->status().exclude, (std::vector<std::string>{"*.o", "build/"}));
  EXPECT_TRUE(stop());
}

TEST_F(LiveExcludeTest, TheTimesOfTheirDirectoriesFollow) {
  put_source("d/kept", "k");
  mirror_without({"*.o", "build"});
  const auto before = status_of(replica_ / "d").st_mtim;
  ASSERT_TRUE(driver_->create("d/a.o"));
  expect_equal();
  const auto after = status_of(replica_ / "d").st_mtim;
  EXPECT_TRUE(after.tv_sec != before.tv_sec || after.tv_nsec != before.tv_nsec);
  ASSERT_TRUE(driver_->rename("d/a.o", "d/b.o"));
  expect_equal();
  ASSERT_TRUE(driver_->unlink("d/b.o"));
  expect_equal();
  ASSERT_TRUE(driver_->mkdir("d/build"));
  expect_equal();
  EXPECT_EQ(mirror_->status().errors_total, 0U) << mirror_->status().last_error;
}

TEST_F(LiveExcludeTest, WhatTheReplicaHasUnderThoseNamesIsLeftAlone) {
  put_source("d/a.c", "c");
  put_source("d/a.o", "of the source");
  put_replica("d/a.o", "of the replica");
  put_replica("own.o", "own");
  put_replica("stale", "stale");
  mirror_without({"*.o"});
  EXPECT_EQ(replica_content("d/a.o"), "of the replica");
  EXPECT_EQ(replica_content("own.o"), "own");
  EXPECT_FALSE(on_replica("stale"));
  ASSERT_TRUE(driver_->write("d/a.o", 0, "changed"));
  ASSERT_TRUE(driver_->chmod("d/a.o", 0700));
  ASSERT_TRUE(driver_->unlink("d/a.o"));
  expect_equal();
  EXPECT_EQ(replica_content("d/a.o"), "of the replica");
  EXPECT_EQ(status_of(replica_ / "d/a.o").st_mode & 0777U, 0666U);
}

// Pruning.

TEST_F(LiveExcludeTest, ADirectoryStaysForWhatIsLeftAlone) {
  put_source("d/sub/a", "a");
  put_replica("d/sub/x.o", "own");
  put_replica("d/other/y", "y");
  mirror_without({"*.o"});
  EXPECT_FALSE(on_replica("d/other"));
  ASSERT_TRUE(driver_->unlink("d/sub/a"));
  ASSERT_TRUE(driver_->rmdir("d/sub"));
  ASSERT_TRUE(driver_->rmdir("d"));
  expect_equal();
  EXPECT_EQ(replica_content("d/sub/x.o"), "own");
  EXPECT_FALSE(on_replica("d/sub/a"));
  // And becomes the copy of a new one.
  ASSERT_TRUE(driver_->mkdir("d"));
  ASSERT_TRUE(driver_->mkdir("d/sub"));
  ASSERT_TRUE(driver_->create("d/sub/b"));
  expect_equal();
  EXPECT_TRUE(on_replica("d/sub/b"));
  EXPECT_EQ(replica_content("d/sub/x.o"), "own");
}

TEST_F(LiveExcludeTest, ADirectoryDeeperThanAPathCanBeIsPruned) {
  put_source("file", "x");
  const std::string name(200, 'n');
  UniqueFd bottom(::open(replica_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (std::size_t depth = 0; depth * name.size() < PATH_MAX; ++depth) {
    ASSERT_EQ(::mkdirat(bottom.get(), name.c_str(), 0755), 0);
    bottom = UniqueFd(::openat(bottom.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  for (const char* file : {"x.o", "goes"}) {
    const UniqueFd made(::openat(bottom.get(), file, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    ASSERT_TRUE(made);
  }
  mirror_without({"*.o"});
  EXPECT_EQ(::faccessat(bottom.get(), "x.o", F_OK, 0), 0);
  EXPECT_NE(::faccessat(bottom.get(), "goes", F_OK, 0), 0);
}

TEST_F(LiveExcludeTest, WhatCannotStandThereStaysMarkedUntilTheWayIsClear) {
  put_source("d/a", "a");
  put_replica("d/x.o", "own");
  mirror_without({"*.o"});
  ASSERT_TRUE(driver_->unlink("d/a"));
  ASSERT_TRUE(driver_->rmdir("d"));
  ASSERT_TRUE(driver_->create("d"));
  EXPECT_FALSE(mirror_->wait(2s));
  const EngineStatus status = mirror_->status();
  ASSERT_EQ(status.failed.size(), 1U);
  EXPECT_EQ(status.failed.front().path, "d");
  EXPECT_EQ(replica_content("d/x.o"), "own");
  EXPECT_FALSE(on_replica("d/a"));
  fs::remove_all(replica_ / "d");
  ASSERT_TRUE(driver_->write("d", 0, "f"));
  expect_equal();
  EXPECT_EQ(replica_content("d"), "f");
}

TEST_F(LiveExcludeTest, TypesDecideByEachSide) {
  put_source("build", "a file");
  put_replica("build/own", "own");
  mirror_without({"build/"});
  ASSERT_TRUE(driver_->chmod("build", 0600));
  ASSERT_TRUE(driver_->set_mtime("build", {.tv_sec = 5, .tv_nsec = 5}));
  ASSERT_TRUE(driver_->write("build", 0, "changed"));
  expect_equal();
  EXPECT_EQ(replica_content("build/own"), "own");
  EXPECT_EQ(status_of(replica_ / "build").st_mode & 0777U, 0777U);
  EXPECT_NE(status_of(replica_ / "build").st_mtim.tv_sec, 5);
  ASSERT_TRUE(driver_->rename("build", "file"));
  expect_equal();
  EXPECT_EQ(replica_content("file"), "changed");
  EXPECT_EQ(replica_content("build/own"), "own");
}

// Objects with several names.

TEST_F(LiveExcludeTest, WhatIsWrittenThroughAnExcludedNameReachesTheOthers) {
  put_source("a", "aaaa");
  fs::create_hard_link(source_ / "a", source_ / "a.o");
  mirror_without({"*.o"});
  ASSERT_TRUE(driver_->write("a.o", 0, "bb"));
  expect_equal();
  EXPECT_EQ(replica_content("a"), "bbaa");
  ASSERT_TRUE(driver_->link("a", "c.o"));
  ASSERT_TRUE(driver_->write("c.o", 2, "cc"));
  expect_equal();
  EXPECT_EQ(replica_content("a"), "bbcc");
  ASSERT_TRUE(driver_->unlink("a"));
  ASSERT_TRUE(driver_->write("c.o", 0, "d"));
  ASSERT_TRUE(driver_->link("c.o", "e"));
  expect_equal();
  EXPECT_EQ(replica_content("e"), "dbcc");
  EXPECT_FALSE(on_replica("a"));
  EXPECT_FALSE(on_replica("c.o"));
}

// What the pair's record says.

TEST_F(LiveExcludeTest, OtherPatternsAreComparedAnew) {
  put_source("x.o", "new content");
  put_source("a", "a");
  put_replica("x.o", "old content");
  const auto time = fs::last_write_time(source_ / "x.o");
  fs::last_write_time(replica_ / "x.o", time);
  mirror_without({"*.o"});
  ASSERT_TRUE(stop());
  MirrorOptions none = options();
  none.check = Check::kNone;
  start(none);
  expect_equal();
  EXPECT_EQ(replica_content("x.o"), "new content");
  ASSERT_TRUE(stop());
  none.exclude = {"a"};
  start(none);
  ASSERT_TRUE(driver_->write("a", 0, "b"));
  expect_equal();
  EXPECT_EQ(replica_content("a"), "a");
}

TEST_F(LiveExcludeTest, AChangeOfPatternsOutlivesACrash) {
  put_source("x.o", "new content");
  put_replica("x.o", "old content");
  fs::last_write_time(replica_ / "x.o", fs::last_write_time(source_ / "x.o"));
  mirror_without({"*.o"});
  ASSERT_TRUE(stop());
  MirrorOptions paused = options();
  paused.rate_limit = 1;
  start(paused);
  crash();
  start();
  expect_equal();
  EXPECT_EQ(replica_content("x.o"), "new content");
}

TEST_F(LiveExcludeTest, ARecoveryFindsWhatWasWrittenThroughAnExcludedName) {
  put_source("out/o", "aaaa");
  put_source("other", "x");
  fs::create_hard_link(source_ / "out/o", source_ / "a");
  mirror_without({"out/"});
  ASSERT_TRUE(mirror_->pause());
  ASSERT_TRUE(driver_->write("out/o", 0, "bb"));
  ASSERT_TRUE(driver_->unlink("out/o"));
  crash();
  start_without({"out/"});
  expect_equal();
  EXPECT_EQ(replica_content("a"), "bbaa");
}

TEST_F(LiveExcludeTest, ARecoveryTrustsNothingThatIsExcluded) {
  put_source("out/d/o", "aaaa");
  put_replica("out/d/o", "own");
  put_source("a", "a");
  mirror_without({"out/"});
  ASSERT_TRUE(mirror_->pause());
  ASSERT_TRUE(driver_->write("out/d/o", 0, "bb"));
  ASSERT_TRUE(driver_->chmod("out/d", 0700));
  ASSERT_TRUE(driver_->write("a", 0, "b"));
  crash();
  start_without({"out/"});
  expect_equal();
  EXPECT_GT(mirror_->status().recovery.marks, 0U);
  ASSERT_TRUE(driver_->write("out/d/o", 0, "cc"));
  expect_equal();
  EXPECT_EQ(replica_content("out/d/o"), "own");
}

TEST_F(LiveExcludeTest, MaxDeleteDoesNotCountIt) {
  put_source("a", "a");
  for (int number = 0; number < 20; ++number) {
    put_replica("gone/x" + std::to_string(number) + ".o", "own");
  }
  MirrorOptions changed = options();
  changed.exclude = {"*.o"};
  changed.adopt = true;
  changed.max_delete = {.count = 0, .percent = {}};
  start(changed);
  expect_equal();
  EXPECT_TRUE(on_replica("gone/x7.o"));
}

TEST_F(LiveExcludeTest, OnlySomeMayBeMirrored) {
  put_source("d/a.c", "c");
  put_source("d/a.o", "o");
  put_source("b", "b");
  mirror_without({"*", "!*/", "!*.c"});
  ASSERT_TRUE(driver_->create("d/b.c"));
  ASSERT_TRUE(driver_->create("d/b.o"));
  ASSERT_TRUE(driver_->rename("d", "e"));
  expect_equal();
  EXPECT_TRUE(on_replica("e/a.c") && on_replica("e/b.c"));
  EXPECT_FALSE(on_replica("e/a.o") || on_replica("e/b.o") || on_replica("b"));
  const auto found =
      mirror_->examine({.paths = {"e/a.c", "b", ""}, .full = true}, [] { return false; });
  for (const Examined& one : found) EXPECT_EQ(one.finding, Finding::kEqual) << one.what;
}

// Those who ask for a path.

TEST_F(LiveExcludeTest, AnExcludedPathIsFoundEqualAndWaitedForInVain) {
  put_source("out/o", "aaaa");
  put_source("x.o", "x");
  put_replica("out/o", "own");
  put_replica("out/more", "own");
  mirror_without({"out/", "*.o"});
  const std::vector<std::string> paths = {"out", "out/o", "out/more", "x.o"};
  for (const Examined& found :
       mirror_->examine({.paths = paths, .full = true, .repair = true}, [] { return false; })) {
    EXPECT_EQ(found.finding, Finding::kEqual) << found.what;
  }
  EXPECT_TRUE(mirror_->wait_for_paths(paths, 5s));
  expect_equal();
  EXPECT_EQ(replica_content("out/o"), "own");
}

TEST_F(LiveExcludeTest, VerifyTellsWhatDoesNotStayForIt) {
  put_source("a", "a");
  put_replica("gone/x.o", "own");
  mirror_without({"*.o"});
  ASSERT_TRUE(on_replica("gone"));
  put_replica("gone/stale", "stale");
  const UniqueFd source(::open(source_.c_str(), O_RDONLY | O_DIRECTORY));
  const UniqueFd replica(::open(replica_.c_str(), O_RDONLY | O_DIRECTORY));
  const auto report = verify_trees(source.get(), replica.get(), {.full = true});
  ASSERT_TRUE(report);
  ASSERT_EQ(report->differences.size(), 1U);
  EXPECT_EQ(report->differences.front().path, "gone");
  fs::remove(replica_ / "gone/stale");
}

}  // namespace
}  // namespace mirrorfs::testing
