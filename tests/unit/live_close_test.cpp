// The live path on a replica that takes what is written, and refuses it at close(2).
//
// The mutants: FileCloser that ignores the result, and a FileCache that closes by itself.
#include <gmock/gmock.h>
#include <unistd.h>

#include <optional>
#include <thread>

#include "failing_replica_fixture.h"

namespace mirrorfs::testing {
namespace {

using ::testing::HasSubstr;

class LiveFailingClose : public FailingReplicaTest {
 protected:
  /// Files that nobody writes to are closed some time later: for ten seconds at most.
  void wait_for_error() const {
    (void)eventually([&] { return mirror_->status().errors_total > 0; });
  }
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
  ASSERT_TRUE(eventually([&] { return mirror_->status().failed.size() == 1; }));
  for (const char* name : {"d1", "d2", "d3"}) ASSERT_TRUE(driver_->mkdir(name));
  EXPECT_TRUE(eventually([&] { return mirror_->status().journal_marks == 1; }));
  crash();
  filesystem_->fail_close_with(0);
  start();
  expect_equal();
  EXPECT_LE(mirror_->status().recovery.objects, 1U);
  EXPECT_TRUE(stop());
}

}  // namespace
}  // namespace mirrorfs::testing
