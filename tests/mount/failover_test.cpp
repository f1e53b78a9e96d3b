// G8: a failover, and every way back. What is newer is refused or kept aside, whatever the line in
// fstab says.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "mirror_pair.h"
#include "tree_compare.h"

namespace mirrorfs::test {
namespace {

using Lines = std::vector<std::string>;

class Failover : public testing::Test {
 protected:
  void SetUp() override { MIRRORFS_SKIP_UNLESS_MOUNTS_WORK(); }

  /// "s" and "d" are a pair, and equal.
  void mirror_once() {
    write_file(pair.path("s/file"), "old");
    write_file(pair.path("s/gone later"), "old");
    make_directory(pair.path("s/dir"));
    write_file(pair.path("s/dir/inner"), "old");
    write_file(pair.path("s/large"), pattern(9 << 20, 1));
    pair.mount();
    pair.wait();
    pair.unmount();
    ASSERT_EQ(pair.differences("s", "d"), "");
  }

  MirrorPair pair;
};

/// The mutant: a baseline that does not look at the replica's ctimes.
TEST_F(Failover, WhatWasWrittenToTheReplicaByHandIsKeptWhenTheOldLineRuns) {
  mirror_once();
  write_file(pair.path("d/file"), "new");  // of the same size
  write_file(pair.path("d/added"), "by the application");
  make_directory(pair.path("d/new dir"));
  write_file(pair.path("d/new dir/deep"), "deep");
  write_file(pair.path("d/dir/more"), "more");
  unlink_file(pair.path("d/gone later"));
  write_at(pair.path("d/large"), 100, "edited");
  pair.mount();
  pair.wait();
  EXPECT_EQ(pair.differences("s", "d"), "");
  const Lines kept = pair.kept_in("d");
  ASSERT_EQ(kept.size(), 5U);
  EXPECT_EQ(kept[0], "added: by the application");
  EXPECT_EQ(kept[1], "dir/more: more");
  EXPECT_EQ(kept[2], "file: new");
  EXPECT_NE(kept[3].find("edited"), std::string::npos);
  EXPECT_EQ(kept[4], "new dir/deep: deep");
  EXPECT_NE(pair.log().find("'added' was changed on the replica"), std::string::npos);
  pair.unmount();
  // What is kept is not touched again, and nothing is kept twice.
  pair.mount();
  pair.wait();
  pair.unmount();
  EXPECT_EQ(pair.kept_in("d"), kept);
}

TEST_F(Failover, WhatOnlyLooksOldIsKeptToo) {
  mirror_once();
  const timespec time = stat_of(pair.path("d/file")).st_mtim;
  write_file(pair.path("d/file"), "new");
  set_times(pair.path("d/file"), time, time);
  pair.mount();
  pair.wait();
  EXPECT_EQ(read_file(pair.path("d/file")), "old");
  EXPECT_EQ(pair.kept_in("d"), Lines{"file: new"});
  pair.unmount();
}

TEST_F(Failover, ASyncKeepsItToo) {
  write_file(pair.path("s/file"), "old");
  ASSERT_EQ(pair.ctl({"sync", "s", "d"}).exit_code, 0);
  write_file(pair.path("d/file"), "newer");
  make_directory(pair.path("d/dir"));
  write_file(pair.path("d/dir/added"), "added");
  const Finished synced = pair.ctl({"sync", "s", "d"});
  EXPECT_EQ(synced.exit_code, 0) << synced.err;
  EXPECT_EQ(pair.differences("s", "d"), "");
  EXPECT_EQ(pair.kept_in("d"), (Lines{"dir/added: added", "file: newer"}));
  EXPECT_NE(synced.err.find("kept"), std::string::npos) << synced.err;
}

TEST_F(Failover, WhatTheDaemonItselfWroteIsNotKept) {
  mirror_once();
  pair.mount();
  write_file(pair.path("m/file"), "by the mount");
  unlink_file(pair.path("m/gone later"));
  pair.wait();
  pair.crash();
  write_file(pair.path("s/file"), "changed in the source");
  unlink_file(pair.path("s/dir/inner"));
  pair.mount();  // compares what is marked
  pair.wait();
  pair.unmount();
  pair.mount();  // compares everything
  pair.wait();
  EXPECT_EQ(pair.differences("s", "d"), "");
  EXPECT_EQ(pair.kept_in("d"), Lines{});
  pair.unmount();
}

TEST_F(Failover, AfterAKillTooWhatIsWrittenByHandIsKept) {
  mirror_once();
  pair.mount();
  write_file(pair.path("m/file"), "by the mount");
  pair.wait();
  pair.crash();
  std::this_thread::sleep_for(milliseconds(200));
  write_file(pair.path("d/file"), "by the application, at the replica");
  write_file(pair.path("d/dir/inner"), "new");
  pair.mount();  // compares what is marked
  write_file(pair.path("m/dir/later"), "later");
  pair.wait();
  pair.unmount();
  pair.mount();  // compares everything
  pair.wait();
  EXPECT_EQ(pair.differences("s", "d"), "");
  EXPECT_EQ(pair.kept_in("d"),
            (Lines{"dir/inner: new", "file: by the application, at the replica"}));
  pair.unmount();
}

TEST_F(Failover, AFileOfSeveralNamesIsKeptApartFromThem) {
  write_file(pair.path("s/one"), "old");
  make_link(pair.path("s/one"), pair.path("s/two"));
  pair.mount();
  pair.wait();
  pair.unmount();
  write_file(pair.path("d/one"), "new");
  pair.mount();
  pair.wait();
  append_to(pair.path("m/two"), " and more");
  pair.wait();
  EXPECT_EQ(pair.differences("s", "d"), "");
  for (const std::string& line : pair.kept_in("d")) {
    EXPECT_NE(line.find(": new"), std::string::npos) << line;
  }
  EXPECT_FALSE(pair.kept_in("d").empty());
  pair.unmount();
}

TEST_F(Failover, APromotedReplicaRefusesTheOldLine) {
  mirror_once();
  ASSERT_EQ(pair.ctl({"promote", "d"}).exit_code, 0);
  pair.expect_refused("s", "d", "newer than");
  const Finished synced = pair.ctl({"sync", "s", "d"});
  EXPECT_EQ(synced.exit_code, 2);
  EXPECT_NE(synced.err.find("newer than"), std::string::npos) << synced.err;
}

TEST_F(Failover, AReplicaThatWasMountedAsASourceRefusesTheOldLine) {
  mirror_once();
  for (const char* name : {"d2", "m2"}) make_directory(pair.path(name));
  pair.mount("d", "d2", {}, "m2");
  write_file(pair.path("m2/file"), "by the application");
  pair.wait("m2");
  pair.unmount("m2");
  pair.expect_refused("s", "d", "newer than");
  EXPECT_EQ(read_file(pair.path("d/file")), "by the application");
}

/// The mutant: a way back that takes the older for a stranger, or that overwrites unasked.
TEST_F(Failover, TheWayBackNeedsNoAdoptAndKeepsWhatTheReplicaNeverGot) {
  mirror_once();
  write_file(pair.path("s/never mirrored"), "before the disk died");
  write_file(pair.path("s/file"), "SRC");
  pair.expect_refused("d", "s", "promote");
  ASSERT_EQ(pair.ctl({"promote", "d"}).exit_code, 0);
  write_file(pair.path("d/file"), "DST");
  write_file(pair.path("d/since"), "since the failover");
  pair.mount("d", "s");
  pair.wait();
  EXPECT_EQ(pair.differences("d", "s"), "");
  EXPECT_EQ(read_file(pair.path("s/file")), "DST");
  EXPECT_EQ(pair.kept_in("s"), (Lines{"file: SRC", "never mirrored: before the disk died"}));
  EXPECT_EQ(pair.kept_in("d"), Lines{});
  write_file(pair.path("m/later"), "later");
  pair.wait();
  pair.unmount();
  EXPECT_EQ(pair.differences("d", "s"), "");
  // And round again: the old line works once the roles are turned back.
  pair.expect_refused("s", "d", "promote");
  ASSERT_EQ(pair.ctl({"promote", "s"}).exit_code, 0);
  pair.mount();
  write_file(pair.path("m/at last"), "as before");
  pair.wait();
  pair.unmount();
  EXPECT_EQ(pair.differences("s", "d"), "");
  pair.expect_refused("d", "s", "promote");
}

TEST_F(Failover, TheWayBackAfterAKillKeepsWhatWasUnderWay) {
  mirror_once();
  pair.mount();
  pair.wait();
  ASSERT_EQ(pair.ctl({"pause", "m"}).exit_code, 0);
  write_file(pair.path("m/file"), "never applied");
  pair.crash();
  ASSERT_EQ(pair.ctl({"promote", "d"}).exit_code, 0);
  EXPECT_EQ(read_file(pair.path("d/file")), "old");
  pair.mount("d", "s");
  pair.wait();
  EXPECT_EQ(pair.differences("d", "s"), "");
  EXPECT_EQ(pair.kept_in("s"), Lines{"file: never applied"});
  pair.unmount();
}

TEST_F(Failover, PromoteIsRefusedWhereItMakesNoSense) {
  mirror_once();
  EXPECT_EQ(pair.ctl({"promote", "s"}).exit_code, 2);
  EXPECT_EQ(pair.ctl({"promote", "nowhere"}).exit_code, 2);
  pair.mount();
  const Finished in_use = pair.ctl({"promote", "d"});
  EXPECT_EQ(in_use.exit_code, 2);
  EXPECT_NE(in_use.err.find("in use"), std::string::npos) << in_use.err;
  pair.unmount();
}

TEST_F(Failover, PairsTellsRolesAndGenerations) {
  mirror_once();
  const std::string before = pair.ctl({"pairs", "--json"}).out;
  EXPECT_NE(before.find("\"generation\":1"), std::string::npos) << before;
  EXPECT_NE(before.find("\"promoted\":false"), std::string::npos) << before;
  EXPECT_NE(before.find("\"last_session_ended\":true"), std::string::npos) << before;
  EXPECT_NE(before.find("\"seen\":true"), std::string::npos) << before;
  std::array<char, 256> host{};
  check(::gethostname(host.data(), host.size() - 1), "gethostname", {});
  EXPECT_NE(before.find(std::string("\"host\":\"") + host.data() + "\""), std::string::npos)
      << before;
  pair.mount();
  const std::string during = pair.ctl({"pairs", "--json"}).out;
  EXPECT_NE(during.find("\"last_session_ended\":false"), std::string::npos) << during;
  pair.unmount();
  ASSERT_EQ(pair.ctl({"promote", "d"}).exit_code, 0);
  const std::string after = pair.ctl({"pairs", "--json"}).out;
  EXPECT_NE(after.find("\"generation\":2"), std::string::npos) << after;
  EXPECT_NE(after.find("\"promoted\":true"), std::string::npos) << after;
  const std::string text = pair.ctl({"pairs"}).out;
  EXPECT_NE(text.find(pair.path("d").string() + " -> " + pair.path("s").string()),
            std::string::npos)
      << text;
}

TEST_F(Failover, AStopInAnotherStateDirectoryIsNotBelieved) {
  mirror_once();
  pair.mount("s", "d", {"--state-dir=" + pair.path("m").string() + "-state"});
  pair.wait();
  ASSERT_EQ(pair.ctl({"pause", "m"}).exit_code, 0);
  const timespec time = stat_of(pair.path("s/file")).st_mtim;
  write_file(pair.path("m/file"), "new");
  set_times(pair.path("m/file"), time, time);
  pair.crash();
  pair.mount("s", "d", {"--check=none"});
  pair.wait();
  EXPECT_EQ(pair.differences("s", "d"), "");
  EXPECT_EQ(read_file(pair.path("d/file")), "new");
  pair.unmount();
}

TEST_F(Failover, WhatChangedBehindTheMountWithTheSameSizeAndTimeIsFound) {
  mirror_once();
  std::this_thread::sleep_for(milliseconds(50));
  const timespec time = stat_of(pair.path("s/file")).st_mtim;
  write_file(pair.path("s/file"), "new");
  set_times(pair.path("s/file"), time, time);
  pair.mount();
  pair.wait();
  EXPECT_EQ(read_file(pair.path("d/file")), "new");
  pair.unmount();
}

}  // namespace
}  // namespace mirrorfs::test
