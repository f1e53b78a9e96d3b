// G2: whatever the source has, and whatever stands in its place on the replica, they end up equal.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <string>
#include <tuple>

#include "tree_fixture.h"

namespace mirrorfs::testing {
namespace {

void make(const std::string& kind, const fs::path& path, const std::string& flavour) {
  if (kind == "file") write_file(path, "content of the " + flavour);
  if (kind == "directory") {
    fs::create_directories(path / "inner" / "deeper");
    write_file(path / "inner" / flavour, flavour);
    fs::create_symlink("nowhere", path / "inner" / "deeper" / "link");
  }
  if (kind == "symlink") fs::create_symlink("/etc/" + flavour, path);
  if (kind == "fifo") {
    ASSERT_EQ(::mkfifo(path.c_str(), 0640), 0);
  }
  if (kind == "socket") {
    ASSERT_EQ(::mknod(path.c_str(), S_IFSOCK | 0600, 0), 0);
  }
  if (kind == "device") {
    const dev_t device = makedev(1, flavour == "source" ? 3 : 5);
    ASSERT_EQ(::mknod(path.c_str(), S_IFCHR | 0622, device), 0);
  }
}

class TypePairs : public TreeTest,
                  public ::testing::WithParamInterface<std::tuple<std::string, std::string>> {};

TEST_P(TypePairs, G2EndsEqual) {
  MIRRORFS_NEEDS_ROOT();
  const auto& [ours, theirs] = GetParam();
  make(ours, source_ / "object", "source");
  make(theirs, replica_ / "object", "replica");
  sync_and_expect_equal();
}

INSTANTIATE_TEST_SUITE_P(
    Tree, TypePairs,
    ::testing::Combine(
        ::testing::Values("nothing", "file", "directory", "symlink", "fifo", "socket", "device"),
        ::testing::Values("nothing", "file", "directory", "symlink", "fifo", "socket", "device")),
    [](const auto& pair) { return std::get<0>(pair.param) + "_over_" + std::get<1>(pair.param); });

class TreeTypes : public TreeTest {};

TEST_F(TreeTypes, DryRunSaysWhatAndChangesNothing) {
  write_file(source_ / "new", "new");
  fs::create_directories(source_ / "folder" / "inner");
  write_file(source_ / "folder" / "inner" / "file", "x");
  fs::create_symlink("b", source_ / "link");
  write_file(replica_ / "link", "a file");
  write_file(replica_ / "old", "old");
  const Snapshot before = snapshot_of(replica_);
  SyncOptions options;
  options.dry_run = true;
  const SyncReport report = sync(options);
  EXPECT_EQ(differences(before, snapshot_of(replica_)), "");
  EXPECT_FALSE(fs::exists(replica_ / kReservedName));
  std::map<std::string, std::string> planned;
  for (const Difference& one : report.planned) planned[one.path] = one.what;
  EXPECT_EQ(planned["new"], "missing on the replica");
  EXPECT_EQ(planned["folder/inner/file"], "missing on the replica");
  EXPECT_EQ(planned["link"], "type symlink != file");
  EXPECT_EQ(planned["old"], "extraneous");
}

TEST_F(TreeTypes, NamesOfAnyBytes) {
  std::string name(255, '\xff');
  name[0] = '\n';
  write_file(source_ / name, "x");
  fs::create_directory(source_ / "\x80 a directory\t");
  write_file(source_ / "\x80 a directory\t" / "-rf", "y");
  sync_and_expect_equal();
}

TEST_F(TreeTypes, LongSymlinkTarget) {
  fs::create_symlink(std::string(4095, 't'), source_ / "link");
  sync_and_expect_equal();
}

TEST_F(TreeTypes, ReservedNameIsNeitherCopiedNorRemoved) {
  fs::create_directory(source_ / kReservedName);
  fs::create_directory(replica_ / kReservedName);
  write_file(source_ / kReservedName / "ours", "1");
  write_file(replica_ / kReservedName / "pair", "2");
  EXPECT_TRUE(sync().failures.empty());
  EXPECT_TRUE(fs::exists(replica_ / kReservedName / "pair"));
  EXPECT_FALSE(fs::exists(replica_ / kReservedName / "ours"));
  EXPECT_TRUE(verify().identical());
}

TEST_F(TreeTypes, LeftoversOfAnInterruptedRunGo) {
  const fs::path staging = replica_ / kReservedName / "staging";
  fs::create_directories(staging / "1" / "2" / "3");
  write_file(staging / "1" / "2" / "file", "half");
  write_file(staging / "half", "half");
  sync_and_expect_equal();
}

TEST_F(TreeTypes, VerifyListsByPathAndRepairRemovesTheDifferences) {
  for (const char* name : {"c", "a", "b"}) write_file(source_ / name, name);
  fs::create_directory(source_ / "d");
  set_mtime(replica_, 1000);
  VerifyReport report = verify();
  ASSERT_EQ(report.differences.size(), 5U);  // the root's mtime too
  EXPECT_EQ(report.differences[1].path, "a");
  EXPECT_EQ(report.differences[4].path, "d");
  report = verify({.full = true, .repair = true});
  EXPECT_TRUE(report.failures.empty());
  EXPECT_TRUE(verify({.full = true}).identical());
  expect_equal();
}

TEST_F(TreeTypes, VerifyListsNoMoreThanAskedButCountsAll) {
  for (int i = 0; i < 50; ++i) write_file(source_ / std::to_string(i), "x");
  const VerifyReport report = verify({.most_differences = 7});
  EXPECT_EQ(report.differences.size(), 7U);
  EXPECT_GE(report.differences_total, 50U);
}

}  // namespace
}  // namespace mirrorfs::testing
