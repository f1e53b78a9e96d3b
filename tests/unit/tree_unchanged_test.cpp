// What a sync takes on trust from the one before, and what it never does.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "engine/compare/unchanged.h"
#include "engine/journal/sync_history.h"
#include "mirrorfs/mirror.h"
#include "tree_fixture.h"

namespace mirrorfs::testing {
namespace {

constexpr timespec kBefore{.tv_sec = 100, .tv_nsec = 500};

Metadata changed_at(time_t seconds, long nanoseconds) {
  Metadata object;
  object.mode = S_IFREG | 0644;
  object.ctime = {.tv_sec = seconds, .tv_nsec = nanoseconds};
  return object;
}

TEST(Unchanged, BothSidesMustBeOlder) {
  const UnchangedSince before{.source = kBefore, .replica = kBefore};
  const Metadata old = changed_at(99, 1);
  const Metadata just_before = changed_at(100, 499);
  EXPECT_TRUE(compare::is_unchanged(before, old, just_before));
  EXPECT_FALSE(compare::is_unchanged(before, old, changed_at(100, 500))) << "the same tick";
  EXPECT_FALSE(compare::is_unchanged(before, changed_at(101, 1), old));
  EXPECT_FALSE(compare::is_unchanged(before, old, changed_at(99, 0)))
      << "whole seconds tell too little";
}

TEST(Unchanged, NotWhereSomethingIsMounted) {
  const UnchangedSince before{.source = kBefore, .replica = kBefore};
  Metadata covered = changed_at(99, 1);
  covered.attributes = STATX_ATTR_MOUNT_ROOT;
  EXPECT_FALSE(compare::is_unchanged(before, covered, changed_at(99, 1)));
}

timespec now() {
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME, &time);
  return time;
}

timespec in_an_hour() {
  timespec time = now();
  time.tv_sec += 3600;
  return time;
}

/// An attribute that differs in files of one size and mtime, of which only xattrs tell.
class UnchangedSync : public TreeTest {
 protected:
  void SetUp() override {
    for (const char* folder : {"a", "b"}) {
      fs::create_directory(source_ / folder);
      write_file(source_ / folder / "file", "same");
      set_mtime(source_ / folder / "file", 1000, 1);
    }
    sync_and_expect_equal();
  }
  static void mark(const fs::path& file, const char* value) {
    if (::setxattr(file.c_str(), "user.is", value, 1, 0) != 0) GTEST_SKIP() << "no user xattrs";
  }
  SyncReport sync_unchanged(const timespec& source, const timespec& replica) {
    SyncOptions options;
    options.unchanged_since = UnchangedSince{.source = source, .replica = replica};
    return sync(options);
  }
};

TEST_F(UnchangedSync, WhatIsUnchangedIsNotAskedForItsAttributes) {
  mark(source_ / "a" / "file", "x");
  EXPECT_EQ(sync_unchanged(in_an_hour(), in_an_hour()).metadata_changed, 0U);
  EXPECT_EQ(sync_unchanged(in_an_hour(), kBefore).metadata_changed, 1U);
  expect_equal();
  mark(source_ / "a" / "file", "y");
  EXPECT_EQ(sync_unchanged(kBefore, in_an_hour()).metadata_changed, 1U);
  expect_equal();
}

TEST_F(UnchangedSync, AFullCheckTrustsNothing) {
  mark(source_ / "a" / "file", "x");
  SyncOptions options = checking(Check::kFull);
  options.unchanged_since = UnchangedSince{.source = in_an_hour(), .replica = in_an_hour()};
  const SyncReport report = sync(options);
  EXPECT_EQ(report.metadata_changed, 1U);
  expect_equal();
}

// The files themselves are as old as ever: only their directories tell.
TEST_F(UnchangedSync, DirectoriesThatChangedPlacesAreSeen) {
  mark(source_ / "a" / "file", "a");
  mark(source_ / "b" / "file", "b");
  sync_and_expect_equal();
  ::usleep(20'000);
  const timespec between = now();
  ::usleep(20'000);
  ASSERT_EQ(::renameat2(AT_FDCWD, (source_ / "a").c_str(), AT_FDCWD, (source_ / "b").c_str(),
                        RENAME_EXCHANGE),
            0);
  sync_unchanged(between, between);
  expect_equal();
  ASSERT_EQ(::renameat2(AT_FDCWD, (replica_ / "a").c_str(), AT_FDCWD, (replica_ / "b").c_str(),
                        RENAME_EXCHANGE),
            0);
  sync_unchanged(now(), between);
  expect_equal();
}

class History : public ::testing::Test {
 protected:
  History() {
    // What other tests mount meanwhile is not seen: a sync that sees mounts change leaves no
    // record.
    if (::unshare(CLONE_NEWNS) == 0) {
      (void)::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
    }
    fs::create_directory(source_);
    fs::create_directory(replica_);
    open(source_root_, source_);
    open(replica_root_, replica_);
    auto paired = journal::Pairing::acquire(source_root_, replica_root_, {});
    if (!paired) throw std::runtime_error(paired.error());
    pairing_.emplace(std::move(*paired));
  }
  ~History() override { fs::remove_all(base_); }

  static void open(journal::TreeRoot& root, const fs::path& path) {
    auto opened = journal::open_root(path, "source");
    if (!opened) throw std::runtime_error(opened.error());
    root = std::move(*opened);
  }
  [[nodiscard]] journal::SyncHistory history(bool trusted_xattrs = true) const {
    return {journal::SyncHistory::clock(), source_root_, replica_root_, trusted_xattrs};
  }
  /// Changes one field of what was recorded.
  void alter(const char* field, const nlohmann::json& value) const {
    const fs::path file = replica_ / kReservedName / "synced";
    auto json = nlohmann::json::parse(std::ifstream(file));
    json[field] = value;
    std::ofstream(file) << json;
  }

  static fs::path make_base() {
    std::string name = (fs::temp_directory_path() / "mirrorfs-history-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    return name;
  }
  const fs::path base_ = make_base(), source_ = base_ / "source", replica_ = base_ / "replica";
  journal::TreeRoot source_root_, replica_root_;
  std::optional<journal::Pairing> pairing_;
};

TEST_F(History, TellsTheNextSyncWhatTheLastOneFound) {
  EXPECT_FALSE(history().unchanged_since(*pairing_)) << "there was none";
  const timespec start = now();
  const journal::SyncHistory first = history();
  ASSERT_TRUE(first.record(*pairing_, true));
  const std::optional<UnchangedSince> unchanged = history().unchanged_since(*pairing_);
  if (!unchanged) GTEST_SKIP() << "neither ext4, XFS nor tmpfs, or before Linux 6.8";
  EXPECT_TRUE(is_before(unchanged->source, unchanged->replica)) << "its beginning and its end";
  EXPECT_LE(unchanged->source.tv_sec, start.tv_sec);
  EXPECT_TRUE(is_before(unchanged->replica, now()));
}

TEST_F(History, HoldsOnlyUnderTheSameCircumstances) {
  ASSERT_TRUE(history().record(*pairing_, false));
  if (!history().unchanged_since(*pairing_)) GTEST_SKIP() << "neither ext4, XFS nor tmpfs";
  for (const char* field :
       {"clock_offset", "source_mount", "replica_mount", "user_namespace", "version"}) {
    alter(field, 12345);
    EXPECT_FALSE(history().unchanged_since(*pairing_)) << field;
    ASSERT_TRUE(history().record(*pairing_, false));
    EXPECT_TRUE(history().unchanged_since(*pairing_));
  }
  for (const char* field : {"boot", "pair_id"}) {
    alter(field, "another");
    EXPECT_FALSE(history().unchanged_since(*pairing_)) << field;
    ASSERT_TRUE(history().record(*pairing_, false));
  }
}

TEST_F(History, WhoSeesMoreAttributesLooksAgain) {
  ASSERT_TRUE(history(false).record(*pairing_, false));
  EXPECT_FALSE(history(true).unchanged_since(*pairing_));
  ASSERT_TRUE(history(true).record(*pairing_, false));
  EXPECT_EQ(history(false).unchanged_since(*pairing_).has_value(),
            history(true).unchanged_since(*pairing_).has_value());
}

TEST_F(History, OwnChangesAreBeforeItsEnd) {
  for (int round = 0; round < 5; ++round) {
    const journal::SyncHistory sync = history();
    write_file(replica_ / "own", std::to_string(round));
    ASSERT_TRUE(sync.record(*pairing_, true));
    const std::optional<UnchangedSince> unchanged = history().unchanged_since(*pairing_);
    if (!unchanged) GTEST_SKIP() << "neither ext4, XFS nor tmpfs";
    EXPECT_TRUE(is_before(status_of(replica_ / "own").st_ctim, unchanged->replica));
  }
}

TEST_F(History, NothingIsRecordedWhenMountsChanged) {
  MIRRORFS_NEEDS_ROOT();
  const journal::SyncHistory sync = history();
  ASSERT_EQ(::mount(source_.c_str(), source_.c_str(), nullptr, MS_BIND, nullptr), 0);
  ASSERT_EQ(::umount2(source_.c_str(), 0), 0);
  ASSERT_TRUE(sync.record(*pairing_, false));
  EXPECT_FALSE(history().unchanged_since(*pairing_));
}

TEST_F(History, DamageMeansThatNothingIsKnown) {
  ASSERT_TRUE(history().record(*pairing_, false));
  std::ofstream(replica_ / kReservedName / "synced") << "{ torn";
  EXPECT_FALSE(history().unchanged_since(*pairing_));
}

}  // namespace
}  // namespace mirrorfs::testing
