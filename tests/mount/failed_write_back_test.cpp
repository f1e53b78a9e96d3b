// G1, G3, G6: what the replica's disk refused when it was written back is not durable, whatever the
// page cache shows, and whoever waits for it or not.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "mirror_mount.h"
#include "unreliable_disk.h"

namespace mirrorfs::test {
namespace {

class FailedWriteBack : public testing::TestWithParam<Filesystem> {
 protected:
  void SetUp() override {
    MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
    disk_ = std::make_unique<UnreliableDisk>(GetParam(), 400 << 20);
  }

  /// A mirror with the replica on the disk, in sync, with a large file.
  void start(std::vector<std::string> options) {
    mirror_ = std::make_unique<MirrorMount>(
        MirrorSetup{.replica = Filesystem::kFolder, .options = std::move(options)});
    disk_->mount_at(mirror_->base() / "replica-fs");
    make_directory(mirror_->replica());
    write_file(mirror_->source("file"), std::string(4'000'000, 'a'));
    write_file(mirror_->source("other"), "other");
    mirror_->start();
    mirror_->wait();
  }

  void write_what_the_disk_refuses() const {
    disk_->fail_doomed_writes(true);
    write_at(mirror_->mount("file"), 0, std::string(1 << 20, UnreliableDisk::kDoomed));
  }

  void forget_pages() const { forget_content(mirror_->replica("file")); }

  void expect_on_the_disk() const {
    forget_pages();
    EXPECT_TRUE(mirror_->trees_equal()) << mirror_->status().json;
  }

  [[nodiscard]] bool write_back_failed() const {
    return eventually([&] { return disk_->failed_writes() > 0; });
  }

  std::unique_ptr<UnreliableDisk> disk_;
  std::unique_ptr<MirrorMount> mirror_;
};

TEST_P(FailedWriteBack, G6_FsyncFailsUntilTheReplicasDiskHasTheData) {
  start({"--mode=fsync", "--on-dst-error=fail"});
  write_what_the_disk_refuses();
  const UniqueFd file = open_file(mirror_->mount("file"), O_RDWR);
  errno = 0;
  EXPECT_EQ(::fsync(file.get()), -1);
  EXPECT_EQ(errno, EIO);
  disk_->fail_doomed_writes(false);
  // A second fsync may take some time to become true, but must not be true before the data is
  // there.
  const bool synced = eventually([&] { return ::fsync(file.get()) == 0; });
  EXPECT_TRUE(synced) << mirror_->status().json;
  expect_on_the_disk();
  EXPECT_TRUE(mirror_->identical());
}

TEST_P(FailedWriteBack, G1_IsMarkedAndMadeGoodWhenNobodyWaitsForTheReplica) {
  start({"--mode=async"});
  write_what_the_disk_refuses();
  EXPECT_TRUE(eventually([&] { return mirror_->status().queued_ops == 0; }));
  forget_pages();  // the kernel writes back, and then forgets what it could not write
  ASSERT_TRUE(write_back_failed());
  // Nobody asks for durability: it has to be noticed nevertheless.
  EXPECT_TRUE(eventually(
      [&] {
        const Status status = mirror_->status();
        return status.marks > 0 && status.errors_total > 0;
      },
      milliseconds(40'000)))
      << mirror_->status().json;
  disk_->fail_doomed_writes(false);
  EXPECT_TRUE(eventually([&] {
    forget_pages();
    return mirror_->trees_equal() == true;
  })) << mirror_->status().json;
  EXPECT_TRUE(mirror_->identical());
}

TEST_P(FailedWriteBack, G1_IsMadeGoodBeforeAWaitReturns) {
  start({"--mode=async"});
  write_what_the_disk_refuses();
  EXPECT_NE(mirror_->ctl({"wait", mirror_->mount(), "--timeout=5"}).exit_code, 0);
  EXPECT_TRUE(write_back_failed());
  disk_->fail_doomed_writes(false);
  mirror_->wait();
  expect_on_the_disk();
  EXPECT_TRUE(mirror_->identical());
}

/// The next start compares nothing: only what was kept of the failure can help.
TEST_P(FailedWriteBack, G1_OutlivesAStopThatCannotMakeItGood) {
  start({"--mode=async", "--drain-timeout=3"});
  write_what_the_disk_refuses();
  mirror_->request_stop(StopBy::kUmount);
  const auto code = mirror_->wait_until_gone();
  EXPECT_TRUE(code && *code != 0) << "claims a clean stop";
  EXPECT_TRUE(write_back_failed());
  disk_->fail_doomed_writes(false);
  forget_pages();
  mirror_->start({"--check=none"});
  mirror_->wait();
  expect_on_the_disk();
}

INSTANTIATE_TEST_SUITE_P(Disk, FailedWriteBack,
                         testing::Values(Filesystem::kExt4, Filesystem::kXfs),
                         [](const auto& test) { return to_string(test.param); });

}  // namespace
}  // namespace mirrorfs::test
