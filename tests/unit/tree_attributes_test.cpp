// G2: owner, mode, times, xattrs and ACLs of every kind of object.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "tree_fixture.h"

namespace mirrorfs::testing {
namespace {

class TreeAttributes : public TreeTest {
 protected:
  void expect_what(const std::string& path, const std::string& part) {
    const VerifyReport report = verify();
    for (const Difference& one : report.differences) {
      if (one.path == path) {
        EXPECT_NE(one.what.find(part), std::string::npos) << one.what;
        return;
      }
    }
    ADD_FAILURE() << "no difference told for " << path;
  }
};

TEST_F(TreeAttributes, ModeWithSetIdAndStickyBits) {
  for (const mode_t mode : {0U, 0444U, 0755U, 04755U, 02755U, 06777U, 01777U}) {
    const fs::path file = source_ / ("file" + std::to_string(mode));
    write_file(file, "x");
    ASSERT_EQ(::chmod(file.c_str(), mode), 0);
    const fs::path folder = source_ / ("folder" + std::to_string(mode));
    fs::create_directory(folder);
    ASSERT_EQ(::chmod(folder.c_str(), mode | 0700), 0);
  }
  sync_and_expect_equal();
}

TEST_F(TreeAttributes, SetIdBitsSurviveAChangeOfOwner) {
  MIRRORFS_NEEDS_ROOT();
  write_file(source_ / "file", "x");
  sync_and_expect_equal();
  ASSERT_EQ(::chown((source_ / "file").c_str(), 12, 34), 0);
  ASSERT_EQ(::chmod((source_ / "file").c_str(), 06755), 0);
  expect_what("file", "owner 12:34 != 0:0");
  expect_what("file", "mode 6755 != 0644");
  sync_and_expect_equal();
}

TEST_F(TreeAttributes, ModeAloneCopiesNothing) {
  write_file(source_ / "file", "x");
  sync_and_expect_equal();
  ASSERT_EQ(::chmod((source_ / "file").c_str(), 0600), 0);
  const SyncReport report = sync();
  EXPECT_EQ(report.files_copied, 0U);
  EXPECT_EQ(report.metadata_changed, 1U);
  expect_equal();
}

TEST_F(TreeAttributes, OwnersOfEveryKind) {
  MIRRORFS_NEEDS_ROOT();
  write_file(source_ / "file", "x");
  fs::create_directory(source_ / "folder");
  fs::create_symlink("dangling", source_ / "link");
  ASSERT_EQ(::mkfifo((source_ / "fifo").c_str(), 0600), 0);
  sync_and_expect_equal();
  for (const char* name : {"file", "folder", "link", "fifo"}) {
    ASSERT_EQ(::lchown((source_ / name).c_str(), 1000, 2000), 0);
  }
  sync_and_expect_equal();
}

TEST_F(TreeAttributes, NewFilesBelongToTheOwnersOfTheSource) {
  MIRRORFS_NEEDS_ROOT();
  fs::create_directory(source_ / "folder");
  unsigned number = 0;
  for (const uid_t uid : {0U, 1000U}) {
    for (const gid_t gid : {0U, 2000U}) {
      for (const char* in : {".", "folder"}) {
        const fs::path file = source_ / in / std::to_string(number++);
        write_file(file, "x");
        ASSERT_EQ(::chown(file.c_str(), uid, gid), 0);
        ASSERT_EQ(::chmod(file.c_str(), 06755), 0);
      }
    }
  }
  sync_and_expect_equal();
}

TEST_F(TreeAttributes, TimesBefore1970AndAfter2038) {
  write_file(source_ / "old", "x");
  write_file(source_ / "new", "x");
  fs::create_directory(source_ / "folder");
  fs::create_symlink("x", source_ / "link");
  set_mtime(source_ / "old", -1'000'000, 123'456'789);
  set_mtime(source_ / "new", 5'000'000'000, 999'999'999);
  set_mtime(source_ / "folder", -5, 1);
  set_mtime(source_ / "link", 4'999'999'999, 5);
  sync_and_expect_equal();
}

TEST_F(TreeAttributes, DirectoryTimesAreSetAfterTheChildren) {
  fs::create_directories(source_ / "a" / "b");
  write_file(source_ / "a" / "b" / "file", "x");
  set_mtime(source_ / "a" / "b", 1000);
  set_mtime(source_ / "a", 2000);
  set_mtime(source_, 3000);
  sync_and_expect_equal();
  write_file(source_ / "a" / "b" / "file", "other");
  sync_and_expect_equal();
}

TEST_F(TreeAttributes, UserXattrsAppearChangeAndGo) {
  const fs::path file = source_ / "file";
  write_file(file, "x");
  fs::create_directory(source_ / "folder");
  ASSERT_EQ(::setxattr(file.c_str(), "user.a", "1", 1, 0), 0);
  ASSERT_EQ(::setxattr(file.c_str(), "user.empty", "", 0, 0), 0);
  ASSERT_EQ(::setxattr((source_ / "folder").c_str(), "user.f", "v", 1, 0), 0);
  sync_and_expect_equal();
  ASSERT_EQ(::setxattr(file.c_str(), "user.a", "2", 1, 0), 0);
  ASSERT_EQ(::removexattr(file.c_str(), "user.empty"), 0);
  ASSERT_EQ(::removexattr((source_ / "folder").c_str(), "user.f"), 0);
  const std::string large(3000, 'L');
  ASSERT_EQ(::setxattr(file.c_str(), "user.large", large.data(), large.size(), 0), 0);
  expect_what("file", "xattrs");
  sync_and_expect_equal();
}

TEST_F(TreeAttributes, ManyXattrNames) {
  write_file(source_ / "file", "x");
  for (int i = 0; i < 60; ++i) {
    const std::string name = "user.attribute-with-a-long-name-" + std::to_string(i);
    ASSERT_EQ(::setxattr((source_ / "file").c_str(), name.c_str(), "v", 1, 0), 0);
  }
  sync_and_expect_equal();
}

TEST_F(TreeAttributes, TrustedXattrsOfWhatCannotBeOpened) {
  MIRRORFS_NEEDS_ROOT();
  fs::create_symlink("dangling", source_ / "link");
  ASSERT_EQ(::mkfifo((source_ / "fifo").c_str(), 0600), 0);
  for (const char* name : {"link", "fifo"}) {
    ASSERT_EQ(::lsetxattr((source_ / name).c_str(), "trusted.t", name, 4, 0), 0);
  }
  sync_and_expect_equal();
  ASSERT_EQ(::lsetxattr((source_ / "link").c_str(), "trusted.t", "other", 5, 0), 0);
  ASSERT_EQ(::lremovexattr((source_ / "fifo").c_str(), "trusted.t"), 0);
  sync_and_expect_equal();
}

TEST_F(TreeAttributes, FileCapabilitiesSurviveAChangeOfOwner) {
  MIRRORFS_NEEDS_ROOT();
  // VFS_CAP_REVISION_2, cap_net_raw permitted: linux/capability.h.
  const unsigned char capability[20] = {1, 0, 0, 2, 0, 0x20};
  write_file(source_ / "file", "x");
  sync_and_expect_equal();
  ASSERT_EQ(::chown((source_ / "file").c_str(), 5, 5), 0);
  ASSERT_EQ(::setxattr((source_ / "file").c_str(), "security.capability", capability, 20, 0), 0);
  sync_and_expect_equal();
  ASSERT_EQ(::chown((replica_ / "file").c_str(), 6, 6), 0);  // takes the capability away
  sync_and_expect_equal();
}

TEST_F(TreeAttributes, AccessAndDefaultAcls) {
  if (std::system("command -v setfacl >/dev/null") != 0) GTEST_SKIP() << "needs setfacl";
  fs::create_directory(source_ / "folder");
  write_file(source_ / "file", "x");
  const std::string in = "cd '" + source_.native() + "' && ";
  ASSERT_EQ(std::system((in + "setfacl -m u:1234:rwx -d -m g:77:r-x folder").c_str()), 0);
  ASSERT_EQ(std::system((in + "setfacl -m u:1234:r-- file").c_str()), 0);
  write_file(source_ / "folder" / "inherits", "x");
  fs::create_directory(source_ / "folder" / "inner");
  sync_and_expect_equal();
  ASSERT_EQ(std::system((in + "setfacl -b file folder/inner").c_str()), 0);
  sync_and_expect_equal();
}

TEST_F(TreeAttributes, DefaultAclAndSetGidOfTheReplicaAreNotInherited) {
  MIRRORFS_NEEDS_ROOT();
  if (std::system("command -v setfacl >/dev/null") != 0) GTEST_SKIP() << "needs setfacl";
  ASSERT_EQ(std::system(("setfacl -d -m u:99:rwx '" + replica_.native() + "'").c_str()), 0);
  ASSERT_EQ(::chown(replica_.c_str(), 0, 4321), 0);
  ASSERT_EQ(::chmod(replica_.c_str(), 02755), 0);
  fs::create_directories(source_ / "a" / "b");
  write_file(source_ / "a" / "file", "x");
  fs::create_symlink("x", source_ / "a" / "link");
  sync_and_expect_equal();
}

TEST_F(TreeAttributes, OrdinaryUserReadOnlyDirectoriesAndFiles) {
  as_ordinary_user([this]() -> std::string {
    fs::create_directories(source_ / "closed" / "inner");
    write_file(source_ / "closed" / "inner" / "file", "one");
    if (::chmod((source_ / "closed" / "inner" / "file").c_str(), 0444) != 0) return "chmod";
    if (::chmod((source_ / "closed" / "inner").c_str(), 0555) != 0) return "chmod";
    if (::chmod((source_ / "closed").c_str(), 0555) != 0) return "chmod";
    SyncReport report = sync();
    if (!report.failures.empty()) return report.failures[0].path + report.failures[0].cause;
    std::string wrong = differences(snapshot_of(source_), snapshot_of(replica_));
    if (!wrong.empty()) return wrong;
    // Now something changes below the read-only directories of the replica.
    if (::chmod((source_ / "closed" / "inner").c_str(), 0755) != 0) return "chmod";
    fs::remove(source_ / "closed" / "inner" / "file");
    write_file(source_ / "closed" / "inner" / "other", "two");
    if (::chmod((source_ / "closed" / "inner").c_str(), 0555) != 0) return "chmod";
    report = sync();
    if (!report.failures.empty()) return report.failures[0].path + report.failures[0].cause;
    wrong = differences(snapshot_of(source_), snapshot_of(replica_));
    if (!wrong.empty()) return wrong;
    if (sync().metadata_changed != 0) return "the second run set attributes";
    return "";
  });
}

TEST_F(TreeAttributes, OrdinaryUserRemovesReadOnlyTrees) {
  as_ordinary_user([this]() -> std::string {
    fs::create_directories(replica_ / "old" / "inner" / "deep");
    write_file(replica_ / "old" / "inner" / "file", "x");
    for (const char* name : {"old/inner/deep", "old/inner", "old"}) {
      if (::chmod((replica_ / name).c_str(), 0555) != 0) return "chmod";
    }
    const SyncReport report = sync();
    if (!report.failures.empty()) return report.failures[0].path + report.failures[0].cause;
    return differences(snapshot_of(source_), snapshot_of(replica_));
  });
}

TEST_F(TreeAttributes, OrdinaryUserForeignOwnersAreNoFailure) {
  MIRRORFS_NEEDS_ROOT();
  write_file(source_ / "file", "x");
  ASSERT_EQ(::chmod((source_ / "file").c_str(), 04755), 0);
  as_ordinary_user([this]() -> std::string {
    const SyncReport report = sync();
    if (!report.failures.empty()) return report.failures[0].path + report.failures[0].cause;
    if ((status_of(replica_ / "file").st_mode & 07777) != 0755) return "set-id of another owner";
    if (!verify().identical()) return "reported as different";
    return "";
  });
}

TEST_F(TreeAttributes, OrdinaryUserUnreadableSourceFailsAlone) {
  MIRRORFS_NEEDS_ROOT();
  write_file(source_ / "secret", "x");
  ASSERT_EQ(::chmod((source_ / "secret").c_str(), 0600), 0);
  fs::create_directory(source_ / "closed");
  ASSERT_EQ(::chmod((source_ / "closed").c_str(), 0700), 0);
  write_file(source_ / "open", "y");
  as_ordinary_user([this]() -> std::string {
    const SyncReport report = sync();
    if (report.failures.size() != 2) return "expected two failures";
    if (report.failures[0].path != "closed" || report.failures[1].path != "secret") {
      return report.failures[0].path + " " + report.failures[1].path;
    }
    if (fs::exists(replica_ / "secret")) return "half a file";
    return read_file(replica_ / "open") == "y" ? "" : "the rest was not copied";
  });
}

}  // namespace
}  // namespace mirrorfs::testing
