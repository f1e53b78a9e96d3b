// G1, G9: real filesystems that cannot hold everything.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "mirror_pair.h"

namespace mirrorfs::test {
namespace {

/// The loop device frees itself with the mount.
constexpr const char* kMountExFat =
    "l=$(losetup -f --show image) && mount.exfat-fuse $l d && losetup -d $l";

class LossesTest : public testing::Test {
 protected:
  void SetUp() override { MIRRORFS_SKIP_UNLESS_MOUNTS_WORK(); }

  /// A filesystem made in a file and mounted at "d" by lines of shell; skips where a program lacks.
  void mount_replica(const std::string& make, const std::string& mount) const {
    run_or_throw({"truncate", "-s", "64M", pair.path("image")});
    const Finished made = pair.shell(make + " && " + mount);
    ASSERT_EQ(made.exit_code, 0) << made.out << made.err;
  }
  [[nodiscard]] static bool has(const std::string& program) {
    return run({"sh", "-c", "command -v " + program}).exit_code == 0;
  }
  [[nodiscard]] std::string status() const { return pair.ctl({"status", "m", "--json"}).out; }
  void expect_in_status(const std::string& part) const {
    EXPECT_NE(status().find(part), std::string::npos) << part << " in " << status();
  }
  void expect_complete() const {
    pair.wait();
    expect_in_status(R"("state":"in-sync")");
    const Finished verified = pair.ctl({"verify", "m", "--full"});
    EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
  }
  /// Some of everything.
  void make_zoo() const {
    const Finished made = pair.shell(
        "echo content > s/file; ln s/file s/link; ln -s file s/symlink; mkfifo s/fifo; mkdir s/d; "
        "echo more > s/d/file; chown -R 1234:1234 s/d; chmod 600 s/d/file; touch -d 2001-02-03 "
        "s/d/file");
    ASSERT_EQ(made.exit_code, 0) << made.err;
  }
  /// Refused by name, then mirrored as far as it goes; the next start copies nothing.
  void mirror_tolerating(const std::string& lost, const std::string& tolerated) const {
    const Finished refused = pair.mirrorfs("s", "d");
    EXPECT_EQ(refused.exit_code, 2);
    EXPECT_NE(refused.err.find("--tolerate=" + lost + "\n"), std::string::npos) << refused.err;
    EXPECT_FALSE(std::filesystem::exists(pair.path("d/.mirrorfs"))) << "no pair was made";
    const std::vector<std::string> options = {"-o", "tolerate=" + tolerated};
    pair.mount("s", "d", options);
    expect_complete();
    EXPECT_EQ(pair.shell("echo new > m/new; chmod 640 m/new; mv m/new m/d/; rm m/link").exit_code,
              0);
    expect_complete();
    EXPECT_EQ(pair.shell("cmp s/d/new d/d/new && cmp s/file d/file && ! ls d/link").exit_code, 0);
    pair.unmount();
    EXPECT_EQ(pair.ctl({"verify", "s", "d", "--full"}).exit_code, 0) << "by the pair's record";
    pair.mount("s", "d", options);
    expect_complete();
    expect_in_status(R"("bytes_replicated_total":0)");
    pair.unmount();
    const Finished synced = pair.ctl({"sync", "s", "d", "--stats"});
    EXPECT_EQ(synced.exit_code, 0) << synced.err;
    EXPECT_NE(synced.out.find("copied    0 files"), std::string::npos) << synced.out;
    EXPECT_FALSE(std::filesystem::exists(pair.path("d/.mirrorfs/probe")));
  }

  MirrorPair pair;
};

TEST_F(LossesTest, G9Ext4WithSmallInodesKeepsWholeSeconds) {
  mount_replica("mkfs.ext4 -q -F -I 128 image", "mount -n -o loop image d && rmdir d/lost+found");
  make_zoo();
  mirror_tolerating("times", "times");
  const Finished pairs = pair.ctl({"pairs", "--json"});
  EXPECT_NE(pairs.out.find(R"("losses":["times"])"), std::string::npos) << pairs.out;
}

TEST_F(LossesTest, G9ASyncIsRefusedByNameToo) {
  mount_replica("mkfs.ext4 -q -F -I 128 image", "mount -n -o loop image d && rmdir d/lost+found");
  make_zoo();
  const Finished refused = pair.ctl({"sync", "s", "d"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_NE(refused.err.find("--tolerate=times"), std::string::npos) << refused.err;
  EXPECT_EQ(pair.ctl({"sync", "s", "d", "--tolerate=times"}).exit_code, 0);
  EXPECT_EQ(pair.ctl({"verify", "s", "d"}).exit_code, 0);
  EXPECT_EQ(pair.ctl({"sync", "s", "d"}).exit_code, 0) << "as the last one had it";
}

/// The year 2500 becomes 2446 there. The mutant: a probe whose range is not looked at.
TEST_F(LossesTest, G1AYearBeyondExt4IsToldAndNotCopiedAgain) {
  mount_replica("mkfs.ext4 -q -F -I 256 image", "mount -n -o loop image d && rmdir d/lost+found");
  ASSERT_EQ(pair.shell("mount -n -t tmpfs none s && echo content > s/file && touch -d 2500-01-01 "
                       "s/file")
                .exit_code,
            0);
  for (int start = 0; start < 2; ++start) {
    pair.mount();
    EXPECT_EQ(pair.ctl({"wait", "m", "--timeout=2"}).exit_code, 1);
    expect_in_status(R"("state":"degraded")");
    expect_in_status("futimens (taken, but stored otherwise)");
    if (start > 0) expect_in_status(R"("bytes_replicated_total":0)");
    EXPECT_EQ(pair.shell("cmp s/file d/file").exit_code, 0);
    EXPECT_EQ(pair.ctl({"verify", "m"}).exit_code, 1);
    pair.crash();
  }
  pair.mount("s", "d", {"--tolerate=times"});
  expect_complete();
  pair.unmount();
}

TEST_F(LossesTest, G9Ntfs) {
  if (!has("ntfs-3g")) GTEST_SKIP() << "needs ntfs-3g";
  mount_replica("mkntfs -q -F image 2>&1", "ntfs-3g image d");
  make_zoo();
  mirror_tolerating("owner,mode,acl,times", "owner:mode:acl:times");
}

TEST_F(LossesTest, G9ExFat) {
  if (!has("mount.exfat-fuse") || !has("mkfs.exfat")) {
    GTEST_SKIP() << "needs exfat-fuse and exfatprogs";
  }
  mount_replica("mkfs.exfat image", kMountExFat);
  make_zoo();
  mirror_tolerating("owner,mode,xattr,acl,times,links,special",
                    "owner:mode:xattr:acl:times:links:special");
}

/// exFAT folds case.
TEST_F(LossesTest, G1NamesThatDifferInCaseOnExFat) {
  if (!has("mount.exfat-fuse") || !has("mkfs.exfat")) {
    GTEST_SKIP() << "needs exfat-fuse and exfatprogs";
  }
  mount_replica("mkfs.exfat image", kMountExFat);
  pair.mount("s", "d", {"--tolerate=owner,mode,xattr,acl,times,links,special"});
  ASSERT_EQ(pair.shell("echo small > m/name").exit_code, 0);
  expect_complete();
  ASSERT_EQ(pair.shell("echo capital > m/Name; echo odd > 'm/a:b'").exit_code, 0);
  EXPECT_EQ(pair.ctl({"wait", "m", "--timeout=5"}).exit_code, 1);
  expect_in_status(R"("state":"degraded")");
  expect_in_status(R"("path":"Name")");
  expect_in_status(R"("path":"a:b")");
  ASSERT_EQ(pair.shell("rm m/Name 'm/a:b'").exit_code, 0);
  expect_complete();
  EXPECT_EQ(pair.shell("grep small d/name").exit_code, 0);
  pair.unmount();
}

}  // namespace
}  // namespace mirrorfs::test
