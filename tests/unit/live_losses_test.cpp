// G9: a replica whose filesystem cannot hold something is refused by name, or what is tolerated is
// left out: not compared, not told again, and nothing is copied for it at the next start.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "failing_replica_fixture.h"

namespace mirrorfs::testing {
namespace {

using ::testing::HasSubstr;

class LiveLosses : public FailingReplicaTest {
 protected:
  [[nodiscard]] FailingFilesystem::Bends& bends() { return filesystem_->bends(); }
  [[nodiscard]] MirrorOptions tolerating(Losses losses) const {
    MirrorOptions changed = options();
    changed.tolerate = losses;
    return changed;
  }
  [[nodiscard]] std::string refusal(const MirrorOptions& options) const {
    const auto opened = Mirror::open(options);
    return opened ? "(not refused)" : opened.error();
  }
  [[nodiscard]] struct stat copy_of(const std::string& path) const {
    struct stat status{};
    EXPECT_EQ(::lstat((base_ / "backing" / path).c_str(), &status), 0) << path;
    return status;
  }
  void expect_in_sync() {
    expect_equal();
    EXPECT_EQ(mirror_->status().state, MirrorState::kInSync);
    EXPECT_EQ(mirror_->status().errors_total, 0U) << mirror_->status().last_error;
  }
  /// And compares everything at the next start without copying anything.
  void expect_nothing_is_copied_again(Losses losses) {
    ASSERT_TRUE(stop());
    start(tolerating(losses));
    expect_in_sync();
    EXPECT_EQ(mirror_->status().bytes_replicated_total, 0U);
    EXPECT_TRUE(stop());
  }
};

/// The mutant: a pair that is recorded before it is refused.
TEST_F(LiveLosses, G9ALossIsRefusedByNameAndTheReplicaLeftAsItWas) {
  put_source("file", "content");
  bends().ignores_owner = bends().ignores_mode = true;
  EXPECT_THAT(refusal(options()), HasSubstr("owners or modes"));
  EXPECT_THAT(refusal(options()), HasSubstr("--tolerate=owner,mode"));
  EXPECT_THAT(refusal(tolerating({Loss::kOwner})), HasSubstr("--tolerate=mode"));
  EXPECT_TRUE(std::filesystem::is_empty(replica_)) << "no pair was made";
  bends().ignores_owner = bends().ignores_mode = false;
  start();
  expect_in_sync();
  EXPECT_TRUE(mirror_->status().losses.none());
  EXPECT_TRUE(stop());
}

TEST_F(LiveLosses, G9ToleratedOwnersAndModesAreLeftOut) {
  const Losses losses{Loss::kOwner, Loss::kMode};
  bends().ignores_owner = bends().ignores_mode = true;
  put_source("d/file", "content");
  ASSERT_EQ(::chown((source_ / "d/file").c_str(), 1234, 1234), 0);
  ASSERT_EQ(::chmod((source_ / "d/file").c_str(), 0640), 0);
  start(tolerating(losses));
  expect_in_sync();
  EXPECT_EQ(mirror_->status().losses, losses);
  EXPECT_EQ(mirror_->status().tolerated, losses);
  EXPECT_EQ(replica_content("d/file"), "content");
  EXPECT_EQ(copy_of("d/file").st_uid, 0U);
  ASSERT_TRUE(driver_->create("new", 0600));
  ASSERT_TRUE(driver_->chmod("new", 0640));
  ASSERT_TRUE(driver_->mkdir("e", 0700));
  ASSERT_TRUE(driver_->write("new", 0, "more"));
  expect_in_sync();
  EXPECT_EQ(replica_content("new"), "more");
  EXPECT_EQ(copy_of("new").st_mode & 0777, 0755U);
  expect_nothing_is_copied_again(losses);
}

/// Symlinks stay, and nothing that they lead to is touched. The mutant: a setter that takes a
/// symlink for any other object.
TEST_F(LiveLosses, G9WhatASymlinkLeadsToIsLeftAloneWhereTheServerFollowsIt) {
  const Losses losses{Loss::kOwner, Loss::kTimes};
  bends().follows_symlinks = true;
  put_source("file", "content");
  std::filesystem::create_symlink("file", source_ / "to file");
  EXPECT_THAT(refusal(options()), HasSubstr("owners of symlinks or times of symlinks"));
  start(tolerating(losses));
  expect_in_sync();
  const struct stat before = copy_of("file");
  ASSERT_TRUE(driver_->symlink("nowhere", "dangling"));
  ASSERT_TRUE(driver_->chown("dangling", 1234, 1234));
  ASSERT_TRUE(driver_->chown("to file", 1234, 1234));
  ASSERT_TRUE(driver_->set_mtime("to file", {.tv_sec = 5, .tv_nsec = 5}));
  expect_in_sync();
  EXPECT_TRUE(S_ISLNK(copy_of("dangling").st_mode) && S_ISLNK(copy_of("to file").st_mode));
  EXPECT_EQ(copy_of("file").st_uid, before.st_uid);
  EXPECT_TRUE(same_time(copy_of("file").st_mtim, before.st_mtim));
  ASSERT_TRUE(driver_->chown("file", 4321, 4321));
  expect_in_sync();
  EXPECT_EQ(copy_of("file").st_uid, 4321U) << "of all else owners are mirrored";
  expect_nothing_is_copied_again(losses);
}

/// A server may fail where it has no such thing (rclone's answer to listxattr(2) is EIO). The
/// mutant: a comparison that lists what is left out.
TEST_F(LiveLosses, G9AttributesOfWhichNoneIsHeldAreNotAskedFor) {
  const Losses losses{Loss::kXattr, Loss::kAcl};
  filesystem_->refuse(FailingFilesystem::kXattr, EOPNOTSUPP);
  put_source("d/file", "content");
  ASSERT_EQ(::setxattr((source_ / "d/file").c_str(), "user.x", "1", 1, 0), 0);
  start(tolerating(losses));
  filesystem_->faults().inject(Call::kListXattrs, {.error = EIO});
  ASSERT_TRUE(driver_->create("new"));
  ASSERT_TRUE(driver_->write("new", 0, "more"));
  expect_in_sync();
  EXPECT_EQ(replica_content("new"), "more");
  EXPECT_EQ(filesystem_->faults().struck(), 0U);
  expect_nothing_is_copied_again(losses);
}

/// Two names of what is left out once looked for each other without an end.
TEST_F(LiveLosses, G9AFifoWithTwoNamesIsLeftOut) {
  const Losses losses{Loss::kSpecial};
  bends().no_special = true;
  ASSERT_EQ(::mkfifo((source_ / "fifo").c_str(), 0600), 0);
  ASSERT_EQ(::link((source_ / "fifo").c_str(), (source_ / "same").c_str()), 0);
  put_source("file", "content");
  start(tolerating(losses));
  expect_in_sync();
  ASSERT_TRUE(driver_->make_fifo("new"));
  ASSERT_TRUE(driver_->link("new", "further"));
  ASSERT_TRUE(driver_->rename("further", "moved"));
  ASSERT_TRUE(driver_->unlink("fifo"));
  expect_in_sync();
  EXPECT_FALSE(std::filesystem::exists(std::filesystem::symlink_status(base_ / "backing/new")));
  EXPECT_EQ(replica_content("file"), "content");
  expect_nothing_is_copied_again(losses);
}

TEST_F(LiveLosses, G9ToleratedTimesAreComparedAsTheyAreStored) {
  const Losses losses{Loss::kTimes};
  bends().seconds_of_times = 2;
  put_source("file", "content");
  start(tolerating(losses));
  expect_in_sync();
  ASSERT_TRUE(driver_->set_mtime("file", {.tv_sec = 1'000'000'001, .tv_nsec = 5}));
  expect_in_sync();
  EXPECT_EQ(copy_of("file").st_mtim.tv_sec, 1'000'000'000);
  expect_nothing_is_copied_again(losses);
  // What differs by more is found all the same.
  const timespec times[2] = {{.tv_sec = 5, .tv_nsec = 0}, {.tv_sec = 500, .tv_nsec = 7}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (base_ / "backing/file").c_str(), times, 0), 0);
  const UniqueFd source(::open(source_.c_str(), O_RDONLY | O_DIRECTORY));
  const UniqueFd replica(::open(replica_.c_str(), O_RDONLY | O_DIRECTORY));
  EXPECT_FALSE(verify_trees(source.get(), replica.get(), {})->identical());
}

TEST_F(LiveLosses, G9ToleratedLinksBecomeCopiesThatFollowTheirObject) {
  const Losses losses{Loss::kLinks};
  bends().no_links = true;
  put_source("one", "first");
  std::filesystem::create_hard_link(source_ / "one", source_ / "two");
  start(tolerating(losses));
  expect_in_sync();
  EXPECT_EQ(replica_content("two"), "first");
  ASSERT_TRUE(driver_->write("two", 0, "FIRST"));
  expect_in_sync();
  EXPECT_EQ(replica_content("one"), "FIRST");
  EXPECT_EQ(replica_content("two"), "FIRST");
  ASSERT_TRUE(driver_->link("one", "three"));
  expect_in_sync();
  ASSERT_TRUE(driver_->write("one", 0, "third"));
  expect_in_sync();
  EXPECT_EQ(replica_content("three"), "third");
  ASSERT_TRUE(driver_->unlink("one"));
  expect_in_sync();
  EXPECT_EQ(replica_content("one"), "(no such file)");
  expect_nothing_is_copied_again(losses);
}

TEST_F(LiveLosses, G9ToleratedSpecialFilesAreLeftOut) {
  const Losses losses{Loss::kSpecial};
  bends().no_special = true;
  std::filesystem::create_symlink("target", source_ / "symlink");
  put_source("replaced", "a file");
  start(tolerating(losses));
  expect_in_sync();
  EXPECT_FALSE(std::filesystem::exists(std::filesystem::symlink_status(replica_ / "symlink")));
  ASSERT_TRUE(driver_->make_fifo("fifo"));
  ASSERT_TRUE(driver_->symlink("elsewhere", "other"));
  ASSERT_TRUE(driver_->rename("fifo", "replaced"));
  expect_in_sync();
  EXPECT_FALSE(std::filesystem::exists(std::filesystem::symlink_status(replica_ / "replaced")));
  ASSERT_TRUE(driver_->unlink("replaced"));
  ASSERT_TRUE(driver_->create("replaced"));
  expect_in_sync();
  expect_nothing_is_copied_again(losses);
}

TEST_F(LiveLosses, G9ToleratedAttributesAreLeftOutByTheirNamespace) {
  const Losses losses{Loss::kXattr, Loss::kAcl};
  filesystem_->refuse(FailingFilesystem::kXattr, EOPNOTSUPP);
  put_source("file", "content");
  ASSERT_EQ(::setxattr((source_ / "file").c_str(), "user.name", "value", 5, 0), 0);
  start(tolerating(losses));
  expect_in_sync();
  ASSERT_TRUE(driver_->set_xattr("file", "user.other", "value"));
  ASSERT_TRUE(driver_->remove_xattr("file", "user.name"));
  expect_in_sync();
  // It can hold them after all: the next start sets them.
  ASSERT_TRUE(stop());
  filesystem_->refuse(FailingFilesystem::kXattr, 0);
  MirrorOptions changed = tolerating(losses);
  changed.check = Check::kNone;
  start(changed);
  expect_in_sync();
  EXPECT_TRUE(mirror_->status().losses.none());
  char value[8];
  EXPECT_EQ(::getxattr((base_ / "backing/file").c_str(), "user.other", value, 8), 5);
  EXPECT_TRUE(stop());
}

}  // namespace
}  // namespace mirrorfs::testing
