// G6: what each mode promises at the moment a call returns.
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "mirror_mount.h"
#include "object_kinds.h"

namespace mirrorfs::test {
namespace {

class Modes : public testing::Test {
 protected:
  void SetUp() override { MIRRORFS_SKIP_UNLESS_MOUNTS_WORK(); }
};

void expect_same_content(const MirrorMount& mirror, const std::string& name) {
  ASSERT_TRUE(is_there(mirror.replica(name))) << name << " is not on the replica";
  EXPECT_TRUE(read_file(mirror.replica(name)) == read_file(mirror.source(name))) << name;
}

TEST_F(Modes, G6_FsyncModeHasTheDataOnTheReplicaWhenFsyncReturns) {
  MirrorMount mirror({.options = {"--mode=fsync"}});
  mirror.start();
  mirror.wait();  // the modes promise nothing during the baseline
  for (unsigned round = 0; round < 30; ++round) {
    const std::string name = "file" + std::to_string(round);
    UniqueFd fd = open_file(mirror.mount(name), O_RDWR | O_CREAT);
    write_all(fd.get(), pattern(1000 + round * 30'000, round), name);
    check(round % 2 == 0 ? ::fsync(fd.get()) : ::fdatasync(fd.get()), "fsync", name);
    expect_same_content(mirror, name);
    check(::pwrite(fd.get(), "again", 5, 3), "pwrite", name);
    check(::fsync(fd.get()), "fsync", name);
    expect_same_content(mirror, name);
  }
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

TEST_F(Modes, G6_FsyncModeHasSynchronousWritesOnTheReplica) {
  MirrorMount mirror({.options = {"--mode=fsync"}});
  mirror.start();
  mirror.wait();  // the modes promise nothing during the baseline
  UniqueFd fd = open_file(mirror.mount("file"), O_RDWR | O_CREAT | O_SYNC);
  for (unsigned round = 0; round < 30; ++round) {
    write_all(fd.get(), pattern(5000, round), "file");
    expect_same_content(mirror, "file");
  }
  close_file(std::move(fd), "file");
  mirror.stop();
}

TEST_F(Modes, G6_FsyncModeHasWhatADirectorysFsyncCovers) {
  MirrorMount mirror({.options = {"--mode=fsync"}});
  mirror.start();
  mirror.wait();  // the modes promise nothing during the baseline
  make_directory(mirror.mount("directory"));
  for (unsigned round = 0; round < 20; ++round) {
    const std::string name = "directory/file" + std::to_string(round);
    write_file(mirror.mount("directory/temporary"), pattern(3000, round));
    rename_to(mirror.mount("directory/temporary"), mirror.mount(name));
    sync_file(mirror.mount("directory"));
    expect_same_content(mirror, name);
    EXPECT_FALSE(is_there(mirror.replica("directory/temporary")));
  }
  mirror.stop();
}

TEST_F(Modes, G6_SyncModeHasEachOperationOnTheReplicaWhenItReturns) {
  MirrorMount mirror({.options = {"--mode=sync"}});
  mirror.start();
  mirror.wait();  // the modes promise nothing during the baseline
  for (const Kind kind : kAllKinds) {
    const std::string directory = to_string(kind);
    make_directory(mirror.mount(directory));
    EXPECT_TRUE(is_there(mirror.replica(directory))) << directory;
    const std::string name = directory + "/object";
    make_object(kind, mirror.mount(name));
    ASSERT_TRUE(is_there(mirror.replica(name))) << name;
    if (is_regular(kind)) expect_same_content(mirror, name);
    change_owner(mirror.mount(name), 12, 34);
    EXPECT_EQ(stat_of(mirror.replica(name)).st_uid, 12U) << name;
    rename_to(mirror.mount(name), mirror.mount(directory + "/renamed"));
    EXPECT_FALSE(is_there(mirror.replica(name))) << name;
    EXPECT_TRUE(is_there(mirror.replica(directory + "/renamed"))) << name;
    remove_object(kind, mirror.mount(directory + "/renamed"));
    EXPECT_FALSE(is_there(mirror.replica(directory + "/renamed"))) << name;
  }
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

TEST_F(Modes, G6_SyncModeHasEachWriteOnTheReplicaWhenItReturns) {
  MirrorMount mirror({.options = {"--mode=sync"}});
  mirror.start();
  mirror.wait();  // the modes promise nothing during the baseline
  UniqueFd fd = open_file(mirror.mount("file"), O_RDWR | O_CREAT);
  for (unsigned round = 0; round < 50; ++round) {
    write_all(fd.get(), pattern(1 + round * 700, round), "file");
    expect_same_content(mirror, "file");
  }
  check(::ftruncate(fd.get(), 777), "ftruncate", "file");
  expect_same_content(mirror, "file");
  close_file(std::move(fd), "file");
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

int error_of(const std::function<void()>& call) {
  try {
    call();
    return 0;
  } catch (const std::system_error& problem) {
    return problem.code().value();
  }
}

/// A new file is written and synced while the replica cannot be changed.
int error_on_failed_replica(const std::vector<std::string>& options) {
  MirrorMount mirror({.replica = Filesystem::kExt4, .options = options});
  mirror.start();
  write_file(mirror.mount("file"), "before");
  EXPECT_TRUE(mirror.identical());
  int error = 0;
  {
    const UnchangeableTree unchangeable(mirror.replica());
    error = error_of([&] {
      UniqueFd fd = open_file(mirror.mount("new"), O_WRONLY | O_CREAT);
      write_all(fd.get(), "content", "new");
      check(::fsync(fd.get()), "fsync", "new");
      close_file(std::move(fd), "new");
    });
    EXPECT_TRUE(is_there(mirror.source("new"))) << "the source comes first (G4)";
  }
  EXPECT_TRUE(eventually([&] { return mirror.trees_equal() == true; })) << mirror.status().json;
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
  return error;
}

TEST_F(Modes, G6_AFailingReplicaIsToldToTheApplicationWithFail) {
  EXPECT_EQ(error_on_failed_replica({"--mode=fsync", "--on-dst-error=fail"}), EIO);
  EXPECT_EQ(error_on_failed_replica({"--mode=sync", "--on-dst-error=fail"}), EIO);
}

/// Something is mounted on a directory of the replica, so that it cannot be removed there. That is
/// tried again a few times before it counts as a failure: until then it is undecided.
TEST_F(Modes, G6_WhatIsTriedAgainIsWaitedFor) {
  MirrorMount mirror({.options = {"--mode=fsync", "--on-dst-error=fail"}});
  mirror.start();
  make_directory(mirror.mount("directory"));
  write_file(mirror.mount("file"), "before");
  EXPECT_TRUE(mirror.identical());
  UniqueFd file = open_file(mirror.mount("file"), O_WRONLY);
  UniqueFd root(::open(mirror.mount().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const auto sync = [](const UniqueFd& fd) {
    return error_of([&] { check(::fsync(fd.get()), "fsync", "of it"); });
  };
  const Path place = mirror.replica("directory");
  ASSERT_EQ(::mount("tmpfs", place.c_str(), "tmpfs", 0, "size=64k"), 0);
  remove_directory(mirror.mount("directory"));
  EXPECT_EQ(sync(root), EIO);
  EXPECT_EQ(sync(file), 0) << "what it covers is on the replica";
  ASSERT_EQ(::umount2(place.c_str(), 0), 0);
  EXPECT_TRUE(eventually([&] { return mirror.trees_equal() == true; })) << mirror.status().json;
  EXPECT_EQ(sync(root), 0);
  root.reset();
  close_file(std::move(file), "file");
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

/// Not only by the call that finds out: later ones are not even tried.
TEST_F(Modes, G6_EveryCallIsToldOfAReplicaThatCannotBeChanged) {
  MirrorMount mirror(
      {.replica = Filesystem::kExt4, .options = {"--mode=sync", "--on-dst-error=fail"}});
  mirror.start();
  write_file(mirror.mount("file"), "before");
  write_file(mirror.mount("other"), "before");
  EXPECT_TRUE(mirror.identical());
  UniqueFd file = open_file(mirror.mount("file"), O_WRONLY);
  ASSERT_EQ(run({"chattr", "+i", mirror.replica("file")}).exit_code, 0);
  for (int call = 0; call < 3; ++call) {
    EXPECT_EQ(error_of([&] { write_all(file.get(), "new", "file"); }), EIO) << call;
  }
  EXPECT_EQ(error_of([&] { check(::ftruncate(file.get(), 1), "ftruncate", "file"); }), EIO);
  EXPECT_EQ(error_of([&] { check(::fchmod(file.get(), 0600), "fchmod", "file"); }), EIO);
  EXPECT_EQ(error_of([&] { change_mode(mirror.mount("other"), 0600); }), 0) << "nothing is wrong";
  ASSERT_EQ(run({"chattr", "-i", mirror.replica("file")}).exit_code, 0);
  EXPECT_TRUE(eventually([&] { return mirror.trees_equal() == true; })) << mirror.status().json;
  EXPECT_EQ(error_of([&] { write_all(file.get(), "new", "file"); }), 0);
  close_file(std::move(file), "file");
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

/// What somebody left in the replica's directory keeps it from being removed, at first.
TEST_F(Modes, G6_WhatTheReplicaTakesAtASecondTryIsNoError) {
  for (const char* mode : {"--mode=fsync", "--mode=sync"}) {
    MirrorMount mirror({.options = {mode, "--on-dst-error=fail"}});
    mirror.start();
    make_directory(mirror.mount("directory"));
    EXPECT_TRUE(mirror.identical());
    write_file(mirror.replica("directory") / "extra", "of somebody else");
    EXPECT_EQ(error_of([&] { remove_directory(mirror.mount("directory")); }), 0) << mode;
    const UniqueFd root = open_file(mirror.mount(""), O_RDONLY | O_DIRECTORY);
    EXPECT_EQ(error_of([&] { check(::fsync(root.get()), "fsync", "root"); }), 0) << mode;
    EXPECT_FALSE(is_there(mirror.replica("directory"))) << mode;
  }
}

TEST_F(Modes, G6_AFailingReplicaIsNotToldWithDegrade) {
  EXPECT_EQ(error_on_failed_replica({"--mode=fsync"}), 0);
  EXPECT_EQ(error_on_failed_replica({"--mode=sync"}), 0);
  EXPECT_EQ(error_on_failed_replica({"--mode=async", "--on-dst-error=fail"}), 0);
}

TEST_F(Modes, G5_ASmallQueueThrottlesOrCatchesUpButLosesNothing) {
  for (const char* overflow : {"throttle", "catch-up"}) {
    MirrorMount mirror({.options = {"--queue-size=1M", std::string("--overflow=") + overflow}});
    mirror.start();
    const std::string bytes = pattern(300'000, 1);
    for (unsigned number = 0; number < 100; ++number) {
      write_file(mirror.mount("file" + std::to_string(number)), bytes);
      if (number % 10 != 0) continue;
      EXPECT_LE(mirror.status().queued_bytes, 1U << 20);
    }
    EXPECT_TRUE(mirror.identical()) << overflow;
    mirror.stop();
  }
}

}  // namespace
}  // namespace mirrorfs::test
