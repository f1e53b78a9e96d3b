// G4: a replica that fails costs the application nothing; what it lacks is named and made good.
#include <gtest/gtest.h>

#include <string>

#include "mirror_mount.h"
#include "workload.h"

namespace mirrorfs::test {
namespace {

class FailingReplica : public testing::Test {
 protected:
  void SetUp() override { MIRRORFS_SKIP_UNLESS_MOUNTS_WORK(); }

  static bool reaches(const MirrorMount& mirror, const std::string& state) {
    return eventually([&] { return mirror.status().state == state; });
  }
};

TEST_F(FailingReplica, FullReplicaDegradesAndConvergesWhenThereIsSpaceAgain) {
  MirrorMount mirror({.replica = Filesystem::kTmpfs, .replica_bytes = 8 << 20});
  mirror.start();
  write_file(mirror.mount("before"), "fits");
  ASSERT_TRUE(mirror.identical());
  write_file(mirror.mount("too large"), pattern(20 << 20, 1));
  write_file(mirror.mount("after"), "small");
  EXPECT_EQ(read_file(mirror.mount("too large")).size(), 20U << 20);
  EXPECT_TRUE(reaches(mirror, "degraded")) << mirror.status().json;
  const Status status = mirror.status();
  EXPECT_GT(status.errors_total, 0U);
  EXPECT_GT(status.marks, 0U);
  EXPECT_NE(status.last_error, "");
  EXPECT_TRUE(eventually([&] {
    return mirror.status().json.find("too large") != std::string::npos;
  })) << mirror.status().json;
  mirror.replica_filesystem().remount("size=64m");
  EXPECT_TRUE(eventually([&] { return mirror.trees_equal() == true; })) << mirror.status().json;
  EXPECT_TRUE(mirror.identical());
  EXPECT_EQ(mirror.status().state, "in-sync");
  mirror.stop();
}

TEST_F(FailingReplica, FullReplicaConvergesWhenTheLargeFileIsRemoved) {
  MirrorMount mirror({.replica = Filesystem::kTmpfs, .replica_bytes = 8 << 20});
  mirror.start();
  write_file(mirror.mount("too large"), pattern(20 << 20, 1));
  EXPECT_TRUE(reaches(mirror, "degraded")) << mirror.status().json;
  unlink_file(mirror.mount("too large"));
  write_file(mirror.mount("small"), "fits");
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

TEST_F(FailingReplica, AFullReplicaAtTheBaselineStopsNobody) {
  MirrorMount mirror({.replica = Filesystem::kTmpfs, .replica_bytes = 8 << 20});
  write_file(mirror.source("a large"), pattern(20 << 20, 1));
  make_many_files(mirror.source("z many"), 100);
  mirror.start();
  write_file(mirror.mount("new"), "new");
  EXPECT_TRUE(reaches(mirror, "degraded")) << mirror.status().json;
  EXPECT_TRUE(eventually([&] { return is_there(mirror.replica("new")); }));
  EXPECT_TRUE(eventually([&] { return is_there(mirror.replica("z many/group0/set0/file1")); }));
  mirror.replica_filesystem().remount("size=64m");
  EXPECT_TRUE(eventually([&] { return mirror.trees_equal() == true; })) << mirror.status().json;
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

TEST_F(FailingReplica, AReplicaThatCannotBeChangedIsMadeGoodWhenItCanBeAgain) {
  MirrorMount mirror({.replica = Filesystem::kExt4});
  make_many_files(mirror.source("many"), 50);
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  {
    const UnchangeableTree unchangeable(mirror.replica());
    write_file(mirror.mount("new"), "new");
    append_to(mirror.mount("many/group0/set0/file1"), "more");
    make_directory(mirror.mount("directory"));
    write_file(mirror.mount("directory/file"), "below");
    rename_to(mirror.mount("many/group0"), mirror.mount("many/renamed"));
    unlink_file(mirror.mount("many/renamed/set0/file3"));
    EXPECT_TRUE(reaches(mirror, "degraded")) << mirror.status().json;
  }
  EXPECT_TRUE(eventually([&] { return mirror.trees_equal() == true; })) << mirror.status().json;
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

TEST_F(FailingReplica, AnImmutableFileIsNamedAndMadeGood) {
  MirrorMount mirror({.replica = Filesystem::kExt4});
  make_many_files(mirror.source("many"), 50);
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  const std::string stubborn = "many/group0/set0/file2";
  run_or_throw({"chattr", "+i", mirror.replica(stubborn)});
  append_to(mirror.mount(stubborn), "cannot be written there");
  unlink_file(mirror.mount("many/group0/set0/file4"));
  write_file(mirror.mount("other"), "goes on");
  EXPECT_TRUE(reaches(mirror, "degraded")) << mirror.status().json;
  EXPECT_NE(mirror.status().json.find("file2"), std::string::npos) << mirror.status().json;
  EXPECT_TRUE(eventually([&] { return is_there(mirror.replica("other")); }));
  EXPECT_TRUE(eventually([&] { return !is_there(mirror.replica("many/group0/set0/file4")); }));
  run_or_throw({"chattr", "-i", mirror.replica(stubborn)});
  EXPECT_TRUE(eventually([&] { return mirror.trees_equal() == true; })) << mirror.status().json;
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

TEST_F(FailingReplica, MarksOfAFailingReplicaSurviveAStop) {
  MirrorMount mirror({.replica = Filesystem::kExt4});
  make_many_files(mirror.source("many"), 20);
  mirror.start({"--drain-timeout=2"});
  ASSERT_TRUE(mirror.identical());
  {
    const UnchangeableTree unchangeable(mirror.replica());
    append_to(mirror.mount("many/group0/set0/file1"), "more");
    write_file(mirror.mount("new"), "new");
    EXPECT_TRUE(reaches(mirror, "degraded")) << mirror.status().json;
    mirror.request_stop(StopBy::kUmount);
    const auto code = mirror.wait_until_gone();
    EXPECT_TRUE(code && *code != 0) << "claims a clean stop";
  }
  mirror.start({"--check=none"});
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

TEST_F(FailingReplica, FilesRemovedBehindItsBackAreMadeAgainWhenWritten) {
  MirrorMount mirror;
  make_many_files(mirror.source("many"), 50);
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  std::filesystem::remove_all(mirror.replica("many/group0"));
  append_to(mirror.mount("many/group0/set0/file1"), "more");
  write_file(mirror.mount("many/group0/set0/new"), "new");
  (void)mirror.ctl({"wait", mirror.mount().string(), "--timeout=20"});
  EXPECT_TRUE(eventually([&] {
    return is_there(mirror.replica("many/group0/set0/new")) &&
           read_file(mirror.replica("many/group0/set0/file1")) ==
               read_file(mirror.source("many/group0/set0/file1"));
  })) << mirror.status().json;
  mirror.stop();
}

}  // namespace
}  // namespace mirrorfs::test
