// The live path on a replica that takes what is written, and refuses it at close(2).
//
// The mutants: FileCloser that ignores the result, and a FileCache that closes by itself.
#include <gmock/gmock.h>
#include <unistd.h>

#include <optional>
#include <thread>

#include "failing_filesystem.h"
#include "live_fixture.h"
#include "tree_fixture.h"

namespace mirrorfs::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class LiveFailingClose : public LiveTest {
 protected:
  void SetUp() override {
    MIRRORFS_NEEDS_ROOT();
    if (::access("/dev/fuse", R_OK | W_OK) != 0) GTEST_SKIP() << "no /dev/fuse to be opened";
    std::filesystem::create_directory(base_ / "backing");
    filesystem_.emplace(base_ / "backing", replica_);
    ASSERT_TRUE(filesystem_->mounted());
  }
  void TearDown() override {
    if (mirror_) stop();
    driver_.reset();
    mirror_.reset();
    filesystem_.reset();
  }

  /// Files that nobody writes to are closed some time later: for ten seconds at most.
  void wait_for_error() const {
    for (int i = 0; i < 1000 && mirror_->status().errors_total == 0; ++i) {
      std::this_thread::sleep_for(10ms);
    }
  }

  std::optional<FailingFilesystem> filesystem_;
};

TEST_F(LiveFailingClose, G1AFileWhoseCloseFailsIsMarkedAndCopiedAgain) {
  start();
  ASSERT_TRUE(driver_->create("file"));
  expect_equal();
  filesystem_->fail_close_with(ENOSPC);
  ASSERT_TRUE(driver_->write("file", 0, "taken, and then refused"));
  wait_for_error();
  EXPECT_THAT(mirror_->status().last_error, HasSubstr("file"));
  EXPECT_THAT(mirror_->status().last_error, HasSubstr("close"));
  EXPECT_NE(mirror_->status().state, MirrorState::kInSync);
  EXPECT_GT(mirror_->status().marks, 0U);
  filesystem_->fail_close_with(0);
  expect_equal();
  EXPECT_EQ(mirror_->status().state, MirrorState::kInSync);
  EXPECT_TRUE(stop());
}

/// The mutant: a mark that fails is not kept in the journal by itself.
TEST_F(LiveFailingClose, G1WhatCannotBeTakenForLongKeepsNothingElseInTheJournal) {
  start();
  ASSERT_TRUE(driver_->create("file"));
  expect_equal();
  filesystem_->fail_close_with(ENOSPC);
  ASSERT_TRUE(driver_->write("file", 0, "refused for long"));
  wait_for_error();
  for (int look = 0; look < 1000 && mirror_->status().failed.empty(); ++look) {
    std::this_thread::sleep_for(10ms);
  }
  ASSERT_EQ(mirror_->status().failed.size(), 1U);
  for (const char* name : {"d1", "d2", "d3"}) ASSERT_TRUE(driver_->mkdir(name));
  for (int look = 0; look < 1500 && mirror_->status().journal_marks > 1; ++look) {
    std::this_thread::sleep_for(10ms);
  }
  EXPECT_EQ(mirror_->status().journal_marks, 1U);
  crash();
  filesystem_->fail_close_with(0);
  start();
  expect_equal();
  EXPECT_LE(mirror_->status().recovery.objects, 1U);
  EXPECT_TRUE(stop());
}

}  // namespace
}  // namespace mirrorfs::testing
