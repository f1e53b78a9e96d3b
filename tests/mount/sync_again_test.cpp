// A further mirrorctl sync finds what was changed since the last one, however little it shows.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "mirror_mount.h"
#include "sandbox.h"
#include "tree_compare.h"

namespace mirrorfs::test {
namespace {

/// What other tests mount meanwhile is not seen: a sync that sees mounts change leaves no record.
struct OwnMounts {
  OwnMounts() {
    if (::unshare(CLONE_NEWNS) != 0) return;  // then the tests are skipped, too
    (void)::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
  }
};

class SyncAgain : public testing::TestWithParam<Filesystem> {
 protected:
  void SetUp() override {
    MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
    for (const Path& tree : {source_, replica_}) make_directory(tree);
    for (const char* folder : {"a", "b"}) {
      make_directory(source_ / folder);
      for (const char* name : {"file", "other"}) {
        write_file(source_ / folder / name, "same");
        set_xattr(source_ / folder / name, "user.folder", folder);
        set_times(source_ / folder / name, {.tv_sec = 1000, .tv_nsec = 1},
                  {.tv_sec = 1000, .tv_nsec = 1});
      }
      make_symlink("same", source_ / folder / "link");
    }
    for (int round = 0; round < 3; ++round) sync();  // whatever can count as unchanged does, by now
    EXPECT_EQ(asks_for_xattrs(), GetParam() == Filesystem::kBtrfs) << "nothing is put to the test";
  }

  void sync(const std::vector<std::string>& options = {}) const {
    ::usleep(150'000);  // more than the margins of time that it keeps
    std::vector<std::string> words = {MIRRORCTL_PROGRAM, "sync", source_, replica_};
    words.insert(words.end(), options.begin(), options.end());
    const Finished finished = run(words);
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    EXPECT_EQ(compare_trees(source_, replica_), "");
  }

  /// Whether a sync looks at the extended attributes of files.
  [[nodiscard]] bool asks_for_xattrs() const {
    const Path trace = base_.path() / "trace";
    const Finished finished =
        run({"strace", "-f", "-o", trace, MIRRORCTL_PROGRAM, "sync", source_, replica_},
            {.environment = {"ASAN_OPTIONS=detect_leaks=0"}});  // which needs to trace, too
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    std::ifstream calls(trace);
    int asked = 0;
    for (std::string line; std::getline(calls, line);) {
      if (line.find("resumed>") != std::string::npos) continue;  // the rest of a line before
      // listxattrat(2), by its number where strace does not know it.
      const bool by_name = line.find("listxattr") != std::string::npos;
      if (by_name || line.find("syscall_0x1d1") != std::string::npos) ++asked;
    }
    constexpr int kDirectories = 2 * 3;  // are asked always
    return asked > kDirectories;
  }

  OwnMounts mounts_;
  TempDir base_;
  OwnFilesystem filesystem_{GetParam(), base_.path() / "fs", 512 << 20};
  Path source_ = base_.path() / "fs/source", replica_ = base_.path() / "fs/replica";
};

TEST_P(SyncAgain, AttributesOfTheSource) {
  set_xattr(source_ / "a" / "file", "user.folder", "c");
  sync();
  remove_xattr(source_ / "b" / "file", "user.folder");
  sync();
  set_xattr(source_ / "b" / "other", "trusted.new", "x");
  sync();
  change_mode(source_ / "b" / "other", 0600);
  sync();
}

TEST_P(SyncAgain, AttributesThatSomebodyChangedOnTheReplica) {
  set_xattr(replica_ / "a" / "file", "user.folder", "c");
  sync();
  set_xattr(replica_ / "b" / "file", "user.new", "x");
  sync();
}

TEST_P(SyncAgain, DirectoriesThatChangedPlaces) {
  rename_to(source_ / "a", source_ / "b", RENAME_EXCHANGE);
  sync();
  rename_to(replica_ / "a", replica_ / "b", RENAME_EXCHANGE);
  sync();
}

TEST_P(SyncAgain, FilesThatChangedPlaces) {
  rename_to(source_ / "a" / "file", source_ / "b" / "file", RENAME_EXCHANGE);
  sync();
  rename_to(replica_ / "a" / "other", replica_ / "b" / "other", RENAME_EXCHANGE);
  sync();
}

TEST_P(SyncAgain, ADirectoryThatAnotherOneIsMountedOn) {
  const Path other = base_.path() / "fs/other";
  ASSERT_EQ(run({"cp", "-a", source_ / "a", other}).exit_code, 0);
  ASSERT_EQ(::mount(other.c_str(), (source_ / "b").c_str(), nullptr, MS_BIND, nullptr), 0);
  sync();
  ASSERT_EQ(::umount2((source_ / "b").c_str(), 0), 0);
  // Its copy stays until it is given up.
  EXPECT_EQ(run({MIRRORCTL_PROGRAM, "sync", source_, replica_}).exit_code, 0);
  EXPECT_EQ(compare_trees(other, replica_ / "b"), "");
  std::filesystem::remove_all(replica_ / "b");
  sync();
}

TEST_P(SyncAgain, ALinkOfTheSameLengthAndTime) {
  const timespec time{.tv_sec = 1000, .tv_nsec = 1};
  for (const char* target : {"this", "that"}) {
    ASSERT_EQ(::unlink((source_ / "a" / "link").c_str()), 0);
    make_symlink(target, source_ / "a" / "link");
    set_times(source_ / "a" / "link", time, time);
    sync();
  }
}

/// Of the same age, on the same mount, and different where only attributes and links tell.
TEST_P(SyncAgain, AnotherSourceThatTheReplicaIsGivenTo) {
  const Path first = source_;
  source_ = base_.path() / "fs/another";
  ASSERT_EQ(run({"cp", "-a", first, source_}).exit_code, 0);
  set_xattr(source_ / "a" / "file", "user.folder", "c");
  ASSERT_EQ(run({"touch", "-r", first / "a", source_ / "a"}).exit_code, 0);
  for (int round = 0; round < 2; ++round) {
    ::usleep(150'000);
    ASSERT_EQ(run({MIRRORCTL_PROGRAM, "sync", first, replica_, "--adopt"}).exit_code, 0);
  }
  EXPECT_EQ(run({MIRRORCTL_PROGRAM, "sync", source_, replica_, "--adopt"}).exit_code, 2);
  // The pair is given up, but not what the last sync of it has recorded.
  unlink_file(replica_ / ".mirrorfs/pair");
  sync({"--adopt"});
}

TEST_P(SyncAgain, WhatAFailedOneDidNotGetDone) {
  set_xattr(source_ / "a" / "file", "user.folder", "c");
  {
    const UnchangeableTree fixed(replica_ / "a");
    const Finished finished = run({MIRRORCTL_PROGRAM, "sync", source_, replica_});
    EXPECT_EQ(finished.exit_code, 1) << finished.err;
  }
  sync();
}

INSTANTIATE_TEST_SUITE_P(G2, SyncAgain,
                         testing::Values(Filesystem::kTmpfs, Filesystem::kExt4, Filesystem::kXfs,
                                         Filesystem::kBtrfs),
                         [](const auto& test) { return to_string(test.param); });

}  // namespace
}  // namespace mirrorfs::test
