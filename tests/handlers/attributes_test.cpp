// Attributes set and seen through the mount; who owns what is made.
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/handlers/mounted.h"

namespace mirrorfs::testing {
namespace {

using Attributes = Mounted;
using Privileges = Mounted;

TEST_F(Attributes, MountShowsWhatTheSourceHas) {
  make_file("file", "12345");
  ASSERT_EQ(::link(mount("file").c_str(), mount("again").c_str()), 0);
  struct stat shown{}, below{};
  ASSERT_EQ(::stat(mount("file").c_str(), &shown), 0);
  ASSERT_EQ(::stat(source("file").c_str(), &below), 0);
  EXPECT_EQ(shown.st_ino, below.st_ino);
  EXPECT_EQ(shown.st_nlink, 2U);
  EXPECT_EQ(shown.st_size, 5);
  EXPECT_EQ(shown.st_blocks, below.st_blocks);
  EXPECT_TRUE(same_time(shown.st_mtim, below.st_mtim));
  EXPECT_TRUE(same_time(shown.st_ctim, below.st_ctim));
}

TEST_F(Attributes, BirthTimeIsShown) {
  make_file("file");
  struct statx shown{};
  ASSERT_EQ(::statx(AT_FDCWD, mount("file").c_str(), 0, STATX_BTIME | STATX_BASIC_STATS, &shown),
            0);
  const Metadata below = look("file");
  EXPECT_EQ(shown.stx_btime.tv_sec, below.btime.tv_sec);
  EXPECT_EQ(shown.stx_ino, below.ino);
}

TEST_F(Attributes, TruncationToTheSizeThereIsFreesWhatWasAllocatedPastIt) {
  make_file("file", "12345");
  const std::uint64_t before = look("file").blocks;
  const UniqueFd fd = open("file", O_WRONLY);
  ASSERT_EQ(::fallocate(fd.get(), FALLOC_FL_KEEP_SIZE, 0, 1 << 20), 0);
  ASSERT_GT(look("file").blocks, before);
  ASSERT_EQ(::truncate(mount("file").c_str(), 5), 0);
  EXPECT_EQ(look("file").blocks, before);
}

// As tar and cp do it. Nothing is looked at after the first look; what is told and shown is right.
TEST_F(Attributes, ChangesOfAFileThatIsBeingWrittenAreToldExactly) {
  const timespec times[2] = {{.tv_sec = 11, .tv_nsec = 12},
                             {.tv_sec = 1'700'000'000, .tv_nsec = 7}};
  {
    const UniqueFd fd = open("file", O_WRONLY | O_CREAT, 0600);
    ASSERT_EQ(::write(fd.get(), "12345", 5), 5);
    ASSERT_EQ(::futimens(fd.get(), times), 0);
    ASSERT_EQ(::fchown(fd.get(), 1234, 5678), 0);
    ASSERT_EQ(::fchmod(fd.get(), 0640), 0);
    struct stat shown{};
    ASSERT_EQ(::fstat(fd.get(), &shown), 0);
    EXPECT_TRUE(same_time(shown.st_ctim, look("file").ctime));
    EXPECT_TRUE(same_time(shown.st_mtim, times[1]));
    EXPECT_EQ(shown.st_size, 5);
  }
  const Metadata below = look("file");
  EXPECT_TRUE(same_time(below.mtime, times[1]));
  auto operations = take();
  const auto written = only<Write>(operations);
  ASSERT_EQ(written.size(), 1U);
  EXPECT_EQ(written[0].after.size, 5U);
  EXPECT_FALSE(written[0].after.times_known);
  const auto set = only<SetAttributes>(operations);
  ASSERT_EQ(set.size(), 3U);
  EXPECT_TRUE(set[0].after.times_known);
  EXPECT_TRUE(same_time(set[0].after.mtime, below.mtime));
  EXPECT_TRUE(same_time(set[0].after.atime, below.atime));
  EXPECT_EQ(set[1].after.uid, below.uid);
  EXPECT_EQ(set[1].after.gid, below.gid);
  EXPECT_EQ(set[1].after.mode, S_IFREG | 0600U);
  EXPECT_EQ(set[2].after.mode, below.mode);
}

TEST_F(Attributes, WhatASecondNameOrAnAclMayHaveChangedIsLookedAt) {
  const UniqueFd fd = open("file", O_WRONLY | O_CREAT, 0600);
  ASSERT_EQ(::link(mount("file").c_str(), mount("again").c_str()), 0);
  ASSERT_EQ(::write(fd.get(), "1", 1), 1);
  auto written = take_only<Write>();
  ASSERT_EQ(written.size(), 1U);
  EXPECT_TRUE(written[0].after.times_known);
  EXPECT_EQ(written[0].after.nlink, 2U);
}

TEST_F(Attributes, TimesThatNoFilesystemNeedHoldAreLookedAt) {
  const timespec times[2] = {{.tv_sec = 1, .tv_nsec = 0},
                             {.tv_sec = 1'000'000'000'000, .tv_nsec = 1}};
  const UniqueFd fd = open("file", O_WRONLY | O_CREAT, 0600);
  (void)take();
  ASSERT_EQ(::futimens(fd.get(), times), 0);
  const auto set = take_one<SetAttributes>();
  EXPECT_TRUE(same_time(set.after.mtime, look("file").mtime));
  EXPECT_TRUE(same_time(set.after.ctime, look("file").ctime)) << "nobody looked";
}

TEST_F(Attributes, ChmodIsRecorded) {
  make_file("file");
  (void)take();
  ASSERT_EQ(::chmod(mount("file").c_str(), 06751), 0);
  const auto set = take_one<SetAttributes>();
  EXPECT_EQ(set.changed, static_cast<unsigned>(SetAttributes::kMode));
  EXPECT_EQ(set.after.permissions(), 06751U);
  EXPECT_EQ(set.where, at_root("file"));
  EXPECT_EQ(look("file").permissions(), 06751U);
}

TEST_F(Attributes, ChownNamesTheModeToo) {
  make_file("file");
  ASSERT_EQ(::chmod(mount("file").c_str(), 06755), 0);
  (void)take();
  ASSERT_EQ(::chown(mount("file").c_str(), 12, 34), 0);
  const auto set = take_one<SetAttributes>();
  EXPECT_EQ(set.changed, SetAttributes::kOwner | SetAttributes::kMode);
  EXPECT_EQ(set.after.uid, 12U);
  EXPECT_EQ(set.after.gid, 34U);
  EXPECT_EQ(set.after.permissions(), 0755U);
}

TEST_F(Attributes, TimesAreSetToTheNanosecondNowOrNotAtAll) {
  make_file("file");
  (void)take();
  const timespec exact[2] = {{.tv_sec = 5, .tv_nsec = 6}, {.tv_sec = 1'000'000'007, .tv_nsec = 9}};
  ASSERT_EQ(::utimensat(AT_FDCWD, mount("file").c_str(), exact, 0), 0);
  const auto set = take_one<SetAttributes>();
  EXPECT_EQ(set.changed, static_cast<unsigned>(SetAttributes::kTimes));
  EXPECT_TRUE(same_time(set.after.mtime, exact[1]));
  EXPECT_TRUE(same_time(look("file").atime, exact[0]));
  const timespec now[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT},
                           {.tv_sec = 0, .tv_nsec = UTIME_NOW}};
  ASSERT_EQ(::utimensat(AT_FDCWD, mount("file").c_str(), now, 0), 0);
  EXPECT_TRUE(same_time(take_one<SetAttributes>().after.atime, exact[0]));
  EXPECT_GT(look("file").mtime.tv_sec, exact[1].tv_sec);
}

TEST_F(Attributes, SymlinksHaveOwnersAndTimesOfTheirOwn) {
  make_file("file");
  ASSERT_EQ(::symlink("file", mount("link").c_str()), 0);
  (void)take();
  ASSERT_EQ(::lchown(mount("link").c_str(), 12, 34), 0);
  EXPECT_EQ(take_one<SetAttributes>().object, id("link"));
  const timespec times[2] = {{.tv_sec = 5, .tv_nsec = 6}, {.tv_sec = 7, .tv_nsec = 8}};
  ASSERT_EQ(::utimensat(AT_FDCWD, mount("link").c_str(), times, AT_SYMLINK_NOFOLLOW), 0);
  EXPECT_TRUE(same_time(look("link").mtime, times[1]));
  EXPECT_EQ(look("file").uid, 0U);
}

TEST_F(Attributes, FilesystemStatisticsAreThoseOfTheSource) {
  struct statvfs shown{}, below{};
  ASSERT_EQ(::statvfs(mount(".").c_str(), &shown), 0);
  ASSERT_EQ(::statvfs(source(".").c_str(), &below), 0);
  EXPECT_EQ(shown.f_blocks, below.f_blocks);
  EXPECT_EQ(shown.f_bsize, below.f_bsize);
  EXPECT_EQ(shown.f_namemax, below.f_namemax);
}

TEST_F(Privileges, WhatAUserMakesBelongsToTheUser) {
  const User user{.uid = 1234, .gid = 2345, .groups = {}};
  const int error = as_user(user, [this] {
    ::umask(027);
    if (const int e = error_of(::mkdir(mount("folder").c_str(), 0777))) return e;
    if (const int e = error_of(::symlink("x", mount("folder/link").c_str()))) return e;
    if (const int e = error_of(::mkfifo(mount("folder/fifo").c_str(), 0666))) return e;
    return error_of(::open(mount("folder/file").c_str(), O_CREAT | O_WRONLY, 0666));
  });
  ASSERT_EQ(error, 0);
  for (const char* const name : {"folder", "folder/link", "folder/fifo", "folder/file"}) {
    EXPECT_EQ(look(name).uid, 1234U) << name;
    EXPECT_EQ(look(name).gid, 2345U) << name;
  }
  EXPECT_EQ(look("folder").permissions(), 0750U);
  EXPECT_EQ(look("folder/file").permissions(), 0640U);
  const auto made = take_only<CreateNode>();
  ASSERT_EQ(made.size(), 2U);
  EXPECT_EQ(made[1].after.uid, 1234U);
}

TEST_F(Privileges, UserIsRefusedWhereTheSourceWouldRefuse) {
  ASSERT_EQ(::mkdir(mount("closed").c_str(), 0755), 0);
  make_file("file");
  (void)take();
  const int error = as_user({}, [this] {
    if (error_of(::mkdir(mount("closed/a").c_str(), 0777)) != EACCES) return 1;
    if (error_of(::chmod(mount("file").c_str(), 0777)) != EPERM) return 2;
    if (error_of(::chown(mount("file").c_str(), 65534, 65534)) != EPERM) return 3;
    if (error_of(::open(mount("file").c_str(), O_WRONLY)) != EACCES) return 4;
    if (error_of(::truncate(mount("file").c_str(), 0)) != EACCES) return 5;
    return 0;
  });
  EXPECT_EQ(error, 0);
  EXPECT_TRUE(take_only<SetAttributes>().empty());
}

TEST_F(Privileges, SetGidDirectoryHandsItsGroupDown) {
  ASSERT_EQ(::mkdir(mount("shared").c_str(), 0777), 0);
  ASSERT_EQ(::chown(mount("shared").c_str(), 0, 777), 0);
  ASSERT_EQ(::chmod(mount("shared").c_str(), 02777), 0);
  const int error = as_user({}, [this] {
    if (const int e = error_of(::mkdir(mount("shared/folder").c_str(), 0755))) return e;
    return error_of(::open(mount("shared/file").c_str(), O_CREAT | O_WRONLY, 0666));
  });
  ASSERT_EQ(error, 0);
  EXPECT_EQ(look("shared/file").gid, 777U);
  EXPECT_EQ(look("shared/folder").gid, 777U);
  EXPECT_NE(look("shared/folder").mode & S_ISGID, 0U);
}

TEST_F(Privileges, ForeignWriteClearsSetIdBitsAndSaysSo) {
  make_file("tool", "x");
  ASSERT_EQ(::chmod(mount("tool").c_str(), 06777), 0);
  (void)take();
  const int error = as_user({}, [this] {
    const int fd = ::open(mount("tool").c_str(), O_WRONLY);
    return ::write(fd, "y", 1) == 1 ? 0 : 1;
  });
  ASSERT_EQ(error, 0);
  EXPECT_EQ(look("tool").permissions(), 0777U);
  auto operations = take();
  EXPECT_EQ(only<Write>(operations).size(), 1U);
  // The kernel may ask for it before the write, or leave it to the write.
  const auto cleared = only<SetAttributes>(operations);
  ASSERT_EQ(cleared.size(), 1U);
  EXPECT_NE(cleared[0].changed & SetAttributes::kMode, 0U);
  EXPECT_EQ(cleared[0].after.permissions(), 0777U);
}

TEST_F(Privileges, ForeignTruncateAndAllocationClearSetIdBits) {
  for (const char* const name : {"a", "b", "c"}) {
    make_file(name, "x");
    ASSERT_EQ(::chmod(mount(name).c_str(), 06777), 0);
  }
  (void)take();
  const int error = as_user({}, [this] {
    if (::truncate(mount("a").c_str(), 0) != 0) return 1;
    if (::open(mount("b").c_str(), O_WRONLY | O_TRUNC) < 0) return 2;
    const int fd = ::open(mount("c").c_str(), O_WRONLY);
    return error_of(::fallocate(fd, 0, 0, 100));
  });
  ASSERT_EQ(error, 0);
  for (const char* const name : {"a", "b", "c"}) {
    EXPECT_EQ(look(name).permissions(), 0777U) << name;
  }
  EXPECT_EQ(take_only<SetAttributes>().size(), 3U);
}

TEST_F(Privileges, RootKeepsSetIdBitsWhenItWrites) {
  make_file("tool", "x");
  ASSERT_EQ(::chmod(mount("tool").c_str(), 06777), 0);
  const UniqueFd fd = open("tool", O_WRONLY);
  ASSERT_EQ(::write(fd.get(), "y", 1), 1);
  EXPECT_EQ(look("tool").permissions(), 06777U);
}

TEST_F(Privileges, WriteTakesFileCapabilitiesAndSaysSo) {
  make_file("tool", "x");
  vfs_cap_data value{};
  value.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE;
  value.data[0].permitted = 1U << CAP_NET_RAW;
  ASSERT_EQ(::setxattr(mount("tool").c_str(), "security.capability", &value, sizeof value, 0), 0);
  (void)take();
  const UniqueFd fd = open("tool", O_WRONLY);
  ASSERT_EQ(::write(fd.get(), "y", 1), 1);
  const auto removed = take_only<RemoveXattr>();
  ASSERT_EQ(removed.size(), 1U);
  EXPECT_EQ(removed[0].name, "security.capability");
  EXPECT_EQ(error_of(::getxattr(source("tool").c_str(), "security.capability", nullptr, 0)),
            ENODATA);
}

TEST_F(Privileges, OwnerInTheGroupKeepsSetGidWhenTheGroupMayNotExecute) {
  make_file("file");
  ASSERT_EQ(::chown(mount("file").c_str(), 1234, 777), 0);
  ASSERT_EQ(::chmod(mount("file").c_str(), 02644), 0);
  const auto regroup = [this] { return error_of(::chown(mount("file").c_str(), 1234, 778)); };
  ASSERT_EQ(as_user({.uid = 1234, .gid = 1234, .groups = {777, 778}}, regroup), 0);
  EXPECT_EQ(look("file").permissions(), 02644U);
  ASSERT_EQ(::chown(mount("file").c_str(), 1234, 777), 0);
  ASSERT_EQ(as_user({.uid = 1234, .gid = 1234, .groups = {778}}, regroup), 0);
  EXPECT_EQ(look("file").permissions(), 0644U);
}

}  // namespace
}  // namespace mirrorfs::testing
