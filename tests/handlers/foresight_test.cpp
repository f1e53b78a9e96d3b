// What is told and shown without another look at the source (fs/handlers/foresight.h) is what the
// source has. That nobody looked shows in a ctime which is not the source's any more. Mutants, each
// seen to fail here: looks are trusted for ever; set-id bits, further names, unusual bits, other
// filesystems, or what entries do to a directory are left out of account; what is foreseen is
// answered as if it had been looked at; a write sets the size to its own end; any request is
// foreseen; a file that has capabilities is said to have none.
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "tests/handlers/mounted.h"

namespace mirrorfs::testing {
namespace {

constexpr timespec kMtime{.tv_sec = 1'600'000'000, .tv_nsec = 123'456'789};
constexpr timespec kTimes[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, kMtime};

class Foresight : public Mounted {
 protected:
  double attribute_timeout() const override { return 3600; }

  [[nodiscard]] bool nobody_looked(const Metadata& told, const std::string& name) const {
    return !same_time(told.ctime, look(name).ctime);
  }
  [[nodiscard]] UniqueFd create(const std::string& name, mode_t mode = 0600) const {
    return open(name, O_WRONLY | O_CREAT | O_EXCL, mode);
  }
  /// One stamp in ten has none by chance: until one was looked at, times are looked at as well.
  void let_nanoseconds_be_seen() {
    std::string name = "seen";
    for (int i = 0; i < 100; ++i) {
      name += 'x';
      make_file(name);
      if (look(name).ctime.tv_nsec % 10 != 0) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    (void)take();
  }
  void expect_shown_as_it_is(const std::string& name, const char* after) const {
    struct stat shown{}, below{};
    ASSERT_EQ(::lstat(mount(name).c_str(), &shown), 0);
    ASSERT_EQ(::lstat(source(name).c_str(), &below), 0);
    EXPECT_EQ(shown.st_mode, below.st_mode) << after;
    EXPECT_EQ(shown.st_uid, below.st_uid) << after;
    EXPECT_EQ(shown.st_gid, below.st_gid) << after;
    EXPECT_EQ(shown.st_size, below.st_size) << after;
    EXPECT_EQ(shown.st_nlink, below.st_nlink) << after;
    EXPECT_EQ(shown.st_blocks, below.st_blocks) << after;
    EXPECT_TRUE(same_time(shown.st_mtim, below.st_mtim)) << after;
    EXPECT_TRUE(same_time(shown.st_ctim, below.st_ctim)) << after;
  }
};

class ForesightSoonForgotten : public Foresight {
 protected:
  double attribute_timeout() const override { return 0.05; }
  static void wait() { std::this_thread::sleep_for(std::chrono::milliseconds(60)); }
};

TEST_F(Foresight, OverwritingDoesNotMakeAFileShorter) {
  const UniqueFd fd = create("file");
  ASSERT_EQ(::pwrite(fd.get(), "1234567890", 10, 0), 10);
  ASSERT_EQ(::pwrite(fd.get(), "ab", 2, 3), 2);
  ASSERT_EQ(::pwrite(fd.get(), "cd", 2, 20), 2);
  const auto written = take_only<Write>();
  ASSERT_EQ(written.size(), 3U);
  EXPECT_TRUE(nobody_looked(written[2].after, "file"));
  EXPECT_EQ(written[0].after.size, 10U);
  EXPECT_EQ(written[1].after.size, 10U);
  EXPECT_EQ(written[2].after.size, 22U);
}

TEST_F(Foresight, SetIdBitsGoWithTheOwner) {
  const UniqueFd fd = create("file", 0755);
  ASSERT_EQ(::fchmod(fd.get(), 06755), 0);
  (void)take();
  ASSERT_EQ(::fchown(fd.get(), 12, 34), 0);
  const auto set = take_one<SetAttributes>();
  EXPECT_EQ(set.after.permissions(), 0755U);
  EXPECT_EQ(set.after.permissions(), look("file").permissions());
  expect_shown_as_it_is("file", "chown");
}

TEST_F(Foresight, SizesAndTheTimeOfNowAreLookedAt) {
  const UniqueFd fd = create("file");
  ASSERT_EQ(::write(fd.get(), "12345", 5), 5);
  (void)take();
  ASSERT_EQ(::ftruncate(fd.get(), 3), 0);
  const auto cut = take_only<Truncate>();
  ASSERT_EQ(cut.size(), 1U);
  EXPECT_EQ(cut[0].after.size, 3U);
  ASSERT_EQ(::futimens(fd.get(), nullptr), 0);
  const auto set = take_one<SetAttributes>();
  EXPECT_TRUE(set.after.times_known);
  EXPECT_TRUE(same_time(set.after.mtime, look("file").mtime));
}

TEST_F(Foresight, BitsBeyondTheOrdinaryAreLookedAt) {
  const UniqueFd fd = create("file");
  (void)take();
  ASSERT_EQ(::fchmod(fd.get(), 01755), 0);
  const auto set = take_one<SetAttributes>();
  EXPECT_EQ(set.after.permissions(), 01755U);
  EXPECT_FALSE(nobody_looked(set.after, "file"));
}

TEST_F(Foresight, TimesOfAFileWithSeveralNamesAreAlwaysKnown) {
  const UniqueFd fd = create("file");
  ASSERT_EQ(::link(mount("file").c_str(), mount("again").c_str()), 0);
  for (int i = 0; i < 3; ++i) ASSERT_EQ(::pwrite(fd.get(), "x", 1, i), 1);
  for (const Write& write : take_only<Write>()) EXPECT_TRUE(write.after.times_known);
}

TEST_F(Foresight, OnAnotherFilesystemEverythingIsLookedAt) {
  ASSERT_EQ(::mkdir(source("other").c_str(), 0755), 0);
  ASSERT_EQ(::mount("none", source("other").c_str(), "ramfs", 0, "mode=0755"), 0);
  {
    const UniqueFd fd = create("other/file");
    (void)take();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // its times are coarse
    ASSERT_EQ(::fchmod(fd.get(), 0640), 0);
    EXPECT_FALSE(nobody_looked(take_one<SetAttributes>().after, "other/file"));
  }
  EXPECT_EQ(::umount2(source("other").c_str(), MNT_DETACH), 0);
}

// A mapping leaves capabilities alone: the file is known to have them, and was just looked at.
TEST_F(Foresight, CapabilitiesAreShownWhileTheFileIsWritten) {
  const UniqueFd fd = open("file", O_RDWR | O_CREAT | O_EXCL, 0700);
  ASSERT_EQ(::ftruncate(fd.get(), 4096), 0);
  vfs_cap_data value{};
  value.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE;
  value.data[0].permitted = 1U << CAP_NET_RAW;
  ASSERT_EQ(::fsetxattr(fd.get(), "security.capability", &value, sizeof value, 0), 0);
  void* const map = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  ASSERT_NE(map, MAP_FAILED);
  static_cast<char*>(map)[0] = 'x';
  ASSERT_EQ(::msync(map, 4096, MS_SYNC), 0);
  ::munmap(map, 4096);
  EXPECT_EQ(::getxattr(source("file").c_str(), "security.capability", nullptr, 0),
            static_cast<ssize_t>(sizeof value));
  EXPECT_EQ(::fgetxattr(fd.get(), "security.capability", nullptr, 0),
            static_cast<ssize_t>(sizeof value));
}

TEST_F(ForesightSoonForgotten, WhatTheSourceWasChangedToShowsOnceLooksAreOld) {
  const UniqueFd fd = create("file");
  ASSERT_EQ(::write(fd.get(), "x", 1), 1);
  ASSERT_EQ(::chmod(source("file").c_str(), 0604), 0);
  (void)take();
  wait();
  ASSERT_EQ(::fchown(fd.get(), 12, 34), 0);
  const auto set = take_one<SetAttributes>();
  EXPECT_EQ(set.after.permissions(), 0604U);
}

TEST_F(ForesightSoonForgotten, CapabilitiesThatTheSourceWasGivenAreShown) {
  const UniqueFd fd = create("file");
  ASSERT_EQ(::write(fd.get(), "x", 1), 1);
  vfs_cap_data value{};
  value.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE;
  value.data[0].permitted = 1U << CAP_NET_RAW;
  ASSERT_EQ(::setxattr(source("file").c_str(), "security.capability", &value, sizeof value, 0), 0);
  wait();
  EXPECT_EQ(::fgetxattr(fd.get(), "security.capability", nullptr, 0),
            static_cast<ssize_t>(sizeof value));
}

// As tar unpacks a directory: times, owner, mode, after what is in it.
TEST_F(Foresight, ADirectoryIsLookedAtOnceWhenItWasFilled) {
  let_nanoseconds_be_seen();
  ASSERT_EQ(::mkdir(mount("folder").c_str(), 0700), 0);
  make_file("folder/file", "x");
  const std::string path = mount("folder");
  (void)take();
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), kTimes, 0), 0);
  const auto times = take_one<SetAttributes>();
  EXPECT_TRUE(nobody_looked(times.after, "folder"));
  EXPECT_TRUE(times.after.times_known);
  EXPECT_TRUE(same_time(times.after.mtime, look("folder").mtime));
  expect_shown_as_it_is("folder", "utimensat");
  ASSERT_EQ(::chown(path.c_str(), 12, 34), 0);
  const auto owner = take_one<SetAttributes>();
  EXPECT_EQ(owner.after.uid, 12U);
  EXPECT_EQ(owner.after.permissions(), 0700U);
  expect_shown_as_it_is("folder", "chown");
  ASSERT_EQ(::chmod(path.c_str(), 0751), 0);
  const auto mode = take_one<SetAttributes>();
  EXPECT_TRUE(nobody_looked(mode.after, "folder"));
  EXPECT_EQ(mode.after.mode, look("folder").mode);
  expect_shown_as_it_is("folder", "chmod");
}

TEST_F(Foresight, TimesThatEntriesMovedAreNotTold) {
  ASSERT_EQ(::mkdir(mount("folder").c_str(), 0755), 0);
  const timespec atime_only[2] = {{.tv_sec = 5, .tv_nsec = 6},
                                  {.tv_sec = 0, .tv_nsec = UTIME_OMIT}};
  const auto told = [&] {
    (void)take();
    EXPECT_EQ(::utimensat(AT_FDCWD, mount("folder").c_str(), atime_only, 0), 0);
    const Metadata after = take_one<SetAttributes>().after;
    return !after.times_known || same_time(after.mtime, look("folder").mtime);
  };
  EXPECT_TRUE(told()) << "as it was made";
  make_file("folder/file");
  EXPECT_TRUE(told()) << "create";
  ASSERT_EQ(::mkdir(mount("folder/folder").c_str(), 0755), 0);
  EXPECT_TRUE(told()) << "mkdir";
  ASSERT_EQ(::rename(mount("folder/file").c_str(), mount("file").c_str()), 0);
  EXPECT_TRUE(told()) << "rename out of it";
  ASSERT_EQ(::link(mount("file").c_str(), mount("folder/file").c_str()), 0);
  EXPECT_TRUE(told()) << "link";
  ASSERT_EQ(::unlink(mount("folder/file").c_str()), 0);
  EXPECT_TRUE(told()) << "unlink";
  expect_shown_as_it_is("folder", "all of it");
}

TEST_F(Foresight, AnAclChangesTheModeOfADirectory) {
  ASSERT_EQ(::mkdir(mount("folder").c_str(), 0700), 0);
  // Version 2; user::rwx, group::r-x, mask::rwx, other::--x (acl(5), linux/posix_acl_xattr.h).
  const std::uint16_t acl[] = {2,      0,  1, 7,      0xFFFF, 0xFFFF, 4, 5,      0xFFFF,
                               0xFFFF, 16, 7, 0xFFFF, 0xFFFF, 32,     1, 0xFFFF, 0xFFFF};
  ASSERT_EQ(::setxattr(mount("folder").c_str(), "system.posix_acl_access", acl, sizeof acl, 0), 0);
  (void)take();
  ASSERT_EQ(::utimensat(AT_FDCWD, mount("folder").c_str(), kTimes, 0), 0);
  EXPECT_EQ(take_one<SetAttributes>().after.permissions(), look("folder").permissions());
  expect_shown_as_it_is("folder", "an ACL and times");
}

// A directory in which a look-up found nothing: the next name in it is opened before it is looked
// at.
TEST_F(Foresight, NamesThatAppearAfterAMissAreSeenAsTheyAre) {
  ASSERT_EQ(::mkdir(mount("folder").c_str(), 0755), 0);
  struct stat shown{};
  const auto miss = [&](const char* name) {
    ASSERT_EQ(::lstat(mount(name).c_str(), &shown), -1) << name;
    EXPECT_EQ(errno, ENOENT) << name;
  };
  miss("folder/nothing");
  ASSERT_EQ(::mkfifo(source("folder/fifo").c_str(), 0640), 0);
  ASSERT_EQ(::symlink("nowhere", source("folder/link").c_str()), 0);
  ASSERT_EQ(::mkdir(source("folder/inner").c_str(), 0750), 0);
  for (const char* const name : {"folder/fifo", "folder/link", "folder/inner"}) {
    miss((std::string(name) + "-not").c_str());
    expect_shown_as_it_is(name, name);
  }
  miss("folder/inner/nothing");
}

}  // namespace
}  // namespace mirrorfs::testing
