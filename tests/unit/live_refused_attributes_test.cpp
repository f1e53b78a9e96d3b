// G9: an attribute that the replica refuses costs that attribute and nothing else.
//
// The mutants: an apply_attributes() that ends at the first refusal, a refusal that is forgotten
// with a rename, one that the journal does not keep, and one that marks the entry.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <optional>
#include <thread>

#include "failing_replica_fixture.h"

namespace mirrorfs::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class LiveRefusedAttributes : public FailingReplicaTest {
 protected:
  void refuse(FailingFilesystem::Attribute which, int error) { filesystem_->refuse(which, error); }
  void take(FailingFilesystem::Attribute which) { filesystem_->refuse(which, 0); }

  /// A session whose baseline meets it. What a new pair refuses would be a loss.
  void pair_with(FailingFilesystem::Attribute which, int error) {
    const auto later = base_ / "later";
    std::filesystem::rename(source_, later);
    std::filesystem::create_directory(source_);
    start();
    ASSERT_TRUE(stop());
    for (const auto& entry : std::filesystem::directory_iterator(later)) {
      std::filesystem::rename(entry.path(), source_ / entry.path().filename());
    }
    refuse(which, error);
    start();
  }

  /// All that can be done is done: what is left is refused.
  [[nodiscard]] bool only_refusals(std::size_t count) const {
    return eventually([&] {
      const EngineStatus now = mirror_->status();
      return now.state == MirrorState::kDegraded && now.queued_ops == 0 && now.marks == count;
    });
  }
};

TEST_F(LiveRefusedAttributes, G9TheBaselineCopiesWhatHasAnOwnerThatIsRefused) {
  put_source("d/file", "content");
  ASSERT_EQ(::chown((source_ / "d/file").c_str(), 1234, 1234), 0);
  ASSERT_EQ(::chown((source_ / "d").c_str(), 1234, 1234), 0);
  ASSERT_EQ(::chmod((source_ / "d/file").c_str(), 0640), 0);
  ASSERT_EQ(::setxattr((source_ / "d/file").c_str(), "user.name", "value", 5, 0), 0);
  const timespec times[2] = {{.tv_sec = 5, .tv_nsec = 6}, {.tv_sec = 7, .tv_nsec = 8}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (source_ / "d/file").c_str(), times, 0), 0);
  pair_with(FailingFilesystem::kOwner, EPERM);
  ASSERT_TRUE(only_refusals(2)) << mirror_->status().marks;
  EXPECT_EQ(replica_content("d/file"), "content");
  struct stat status{};
  ASSERT_EQ(::stat((base_ / "backing/d/file").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0640U);
  EXPECT_EQ(status.st_mtim.tv_nsec, 8);
  std::array<char, 8> value{};
  EXPECT_EQ(::getxattr((base_ / "backing/d/file").c_str(), "user.name", value.data(), 8), 5);
  EXPECT_THAT(mirror_->status().last_error, HasSubstr("fchown"));
  EXPECT_EQ(mirror_->status().errors_total, 1U) << "a kind is named once";
  take(FailingFilesystem::kOwner);
  expect_equal();
  EXPECT_EQ(mirror_->status().state, MirrorState::kInSync);
  EXPECT_TRUE(stop());
}

TEST_F(LiveRefusedAttributes, G9WritesAndRenamesAreAppliedAllTheSame) {
  put_source("file", "1");
  start();
  expect_equal();
  refuse(FailingFilesystem::kXattr, EOPNOTSUPP);
  ASSERT_TRUE(driver_->set_xattr("file", "user.name", "value"));
  ASSERT_TRUE(only_refusals(1));
  const std::uint64_t applied = mirror_->status().ops_replicated_total;
  ASSERT_TRUE(driver_->write("file", 0, "22"));
  wait_for_replica("file", "22");
  EXPECT_EQ(replica_content("file"), "22");
  ASSERT_TRUE(driver_->rename("file", "renamed"));
  ASSERT_TRUE(driver_->create("file"));
  wait_for_replica("renamed", "22");
  EXPECT_EQ(replica_content("renamed"), "22");
  ASSERT_TRUE(only_refusals(1));
  EXPECT_EQ(mirror_->status().ops_replicated_total, applied + 3) << "not by reconciles";
  take(FailingFilesystem::kXattr);
  expect_equal();
  EXPECT_TRUE(stop());
}

TEST_F(LiveRefusedAttributes, G9ADirectoryWhoseAttributesAreRefusedIsMirroredWithAllBelow) {
  start();
  expect_equal();
  refuse(FailingFilesystem::kXattr, EOPNOTSUPP);
  ASSERT_TRUE(driver_->mkdir("d"));
  ASSERT_TRUE(driver_->set_xattr("d", "user.name", "value"));
  ASSERT_TRUE(driver_->create("d/file"));
  ASSERT_TRUE(driver_->write("d/file", 0, "below"));
  wait_for_replica("d/file", "below");
  EXPECT_EQ(replica_content("d/file"), "below");
  ASSERT_TRUE(only_refusals(1));
  take(FailingFilesystem::kXattr);
  expect_equal();
  EXPECT_TRUE(stop());
}

TEST_F(LiveRefusedAttributes, G9AllOtherAttributesAreSet) {
  start();
  expect_equal();
  refuse(FailingFilesystem::kOwner, EPERM);
  refuse(FailingFilesystem::kMode, ENOSYS);
  ASSERT_TRUE(driver_->create("file", 0600));
  ASSERT_TRUE(driver_->chmod("file", 0640));
  ASSERT_TRUE(driver_->set_xattr("file", "user.name", "value"));
  ASSERT_TRUE(driver_->set_mtime("file", {.tv_sec = 1'000'000'000, .tv_nsec = 5}));
  ASSERT_TRUE(only_refusals(1));
  const std::string copy = base_ / "backing/file";
  std::array<char, 8> value{};
  EXPECT_EQ(::getxattr(copy.c_str(), "user.name", value.data(), value.size()), 5);
  struct stat status{};
  ASSERT_TRUE(eventually([&] {
    return ::stat(copy.c_str(), &status) == 0 && status.st_mtim.tv_sec == 1'000'000'000;
  }));
  take(FailingFilesystem::kOwner);
  take(FailingFilesystem::kMode);
  expect_equal();
  EXPECT_TRUE(stop());
}

TEST_F(LiveRefusedAttributes, G9TimesThatAreRefusedAreNamedAndSetLater) {
  start();
  expect_equal();
  refuse(FailingFilesystem::kTimes, EPERM);
  ASSERT_TRUE(driver_->create("file"));
  ASSERT_TRUE(driver_->write("file", 0, "content"));
  wait_for_replica("file", "content");
  EXPECT_EQ(replica_content("file"), "content");
  ASSERT_TRUE(only_refusals(2)) << "of the file and of the root; " << mirror_->status().marks;
  take(FailingFilesystem::kTimes);
  expect_equal();
  EXPECT_TRUE(stop());
}

/// The mutants: apply_attributes(), or the Applier, sets them all the same.
TEST_F(LiveRefusedAttributes, SetIdBitsAreNotGivenToAnotherOwner) {
  put_source("file", "program");
  ASSERT_EQ(::chown((source_ / "file").c_str(), 1234, 1234), 0);
  ASSERT_EQ(::chmod((source_ / "file").c_str(), 04755), 0);
  pair_with(FailingFilesystem::kOwner, EPERM);
  ASSERT_TRUE(only_refusals(1)) << mirror_->status().marks;
  const auto mode = [&] {
    struct stat status{};
    return ::stat((base_ / "backing/file").c_str(), &status) == 0 ? status.st_mode & 07777 : 0;
  };
  EXPECT_EQ(mode(), 0755U);
  ASSERT_TRUE(driver_->chmod("file", 04711));
  EXPECT_TRUE(eventually([&] { return (mode() & 0777) == 0711; }));
  EXPECT_EQ(mode(), 0711U);
  take(FailingFilesystem::kOwner);
  expect_equal();
  EXPECT_EQ(mode(), 04711U);
  EXPECT_TRUE(stop());
}

TEST_F(LiveRefusedAttributes, ARefusalGoesWithItsObject) {
  start();
  expect_equal();
  refuse(FailingFilesystem::kXattr, EOPNOTSUPP);
  ASSERT_TRUE(driver_->mkdir("d"));
  ASSERT_TRUE(driver_->create("d/file"));
  ASSERT_TRUE(driver_->set_xattr("d/file", "user.name", "value"));
  ASSERT_TRUE(driver_->create("d/other"));
  ASSERT_TRUE(driver_->set_xattr("d/other", "user.name", "value"));
  ASSERT_TRUE(only_refusals(2));
  ASSERT_TRUE(driver_->rename("d/other", "d/file"));
  ASSERT_TRUE(only_refusals(1));
  ASSERT_TRUE(driver_->unlink("d/file"));
  expect_equal();
  EXPECT_EQ(mirror_->status().state, MirrorState::kInSync);
  EXPECT_TRUE(stop());
}

TEST_F(LiveRefusedAttributes, G1WhatARefusalCoversIsFoundAfterACrash) {
  put_source("d/file", "content");
  put_source("d/other", "content");
  start();
  expect_equal();
  refuse(FailingFilesystem::kXattr, EOPNOTSUPP);
  ASSERT_TRUE(driver_->set_xattr("d/file", "user.name", "value"));
  ASSERT_TRUE(driver_->write("d/other", 0, "more"));
  ASSERT_TRUE(only_refusals(1));
  // All else is durable and has left the journal.
  ASSERT_TRUE(eventually([&] {
    const EngineStatus now = mirror_->status();
    return now.durable == now.completed;
  }));
  std::this_thread::sleep_for(500ms);  // the journal is written some time after the sync
  EXPECT_EQ(mirror_->status().journal_marks, 1U);
  crash();
  take(FailingFilesystem::kXattr);
  start();
  expect_equal();
  EXPECT_LE(mirror_->status().recovery.objects, 2U) << "the file, and nothing else";
  EXPECT_TRUE(stop());
}

}  // namespace
}  // namespace mirrorfs::testing
