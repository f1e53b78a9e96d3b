// What becomes of renames to and from what is excluded: the table of ADR 23.
#include <stdio.h>

#include "live_exclude_fixture.h"

namespace mirrorfs::testing {
namespace {

TEST_F(LiveExcludeTest, ADirectoryMovesWithWhatIsLeftAloneWhereNothingIsJudgedByPlace) {
  put_source("d/a.c", std::string(1000, 'c'));
  put_replica("d/a.o", "own");
  mirror_without({"*.o"});
  const auto inode = status_of(replica_ / "d/a.c").st_ino;
  ASSERT_TRUE(driver_->rename("d", "e"));
  expect_equal();
  EXPECT_EQ(status_of(replica_ / "e/a.c").st_ino, inode);
  EXPECT_EQ(replica_content("e/a.o"), "own");
  EXPECT_FALSE(on_replica("d"));
}

TEST_F(LiveExcludeTest, AMoveThatAPlaceCannotConcernIsAMove) {
  put_source("d/a", "a");
  mirror_without({"/other/*.o", "/x/y"});
  const auto inode = status_of(replica_ / "d/a").st_ino;
  ASSERT_TRUE(driver_->rename("d", "e"));
  expect_equal();
  EXPECT_EQ(status_of(replica_ / "e/a").st_ino, inode);
}

TEST_F(LiveExcludeTest, ADirectoryThatIsJudgedByPlaceIsCopiedAndPruned) {
  put_source("d/a", "a");
  put_source("d/x/hidden", "hidden");
  put_source("d/deep/b", "b");
  put_replica("d/x/own", "own");
  mirror_without({"/d/x"});
  ASSERT_TRUE(driver_->rename("d", "e"));
  expect_equal();
  EXPECT_EQ(replica_content("e/x/hidden"), "hidden");
  EXPECT_EQ(replica_content("e/deep/b"), "b");
  EXPECT_EQ(replica_content("d/x/own"), "own");
  EXPECT_FALSE(on_replica("d/a"));
  EXPECT_FALSE(on_replica("d/deep"));
  ASSERT_TRUE(driver_->rename("e", "d"));
  expect_equal();
  EXPECT_EQ(replica_content("d/a"), "a");
  EXPECT_EQ(replica_content("d/x/own"), "own");
  EXPECT_FALSE(on_replica("d/x/hidden"));
  EXPECT_FALSE(on_replica("e"));
}

TEST_F(LiveExcludeTest, WhatMovesOutOfTheMirrorGoes) {
  put_source("d/e/f", "f");
  put_source("g", "g");
  mirror_without({"out*"});
  ASSERT_TRUE(driver_->rename("d", "out"));
  ASSERT_TRUE(driver_->rename("g", "out2"));
  ASSERT_TRUE(driver_->write("out/e/f", 0, "changed"));
  expect_equal();
  EXPECT_FALSE(on_replica("d"));
  EXPECT_FALSE(on_replica("g"));
  EXPECT_FALSE(on_replica("out"));
  EXPECT_EQ(mirror_->status().marks, 0U);
}

TEST_F(LiveExcludeTest, WhatMovesIntoAnExcludedDirectoryGoesWithoutASearch) {
  put_source("d/e/f", "f");
  put_source("out/there", "x");
  mirror_without({"out/"});
  ASSERT_TRUE(driver_->rename("d", "out/d"));
  expect_equal();
  EXPECT_FALSE(on_replica("d"));
  EXPECT_FALSE(mirror_->status().baseline.running);
}

TEST_F(LiveExcludeTest, WhatMovesIntoTheMirrorIsCopied) {
  put_source("out/e/f", "f");
  put_source("x.o", "x");
  mirror_without({"out", "*.o"});
  ASSERT_TRUE(driver_->rename("out", "in"));
  ASSERT_TRUE(driver_->rename("x.o", "x"));
  ASSERT_TRUE(driver_->write("in/e/f", 1, "g"));
  ASSERT_TRUE(driver_->create("in/e/h"));
  expect_equal();
  EXPECT_EQ(replica_content("in/e/f"), "fg");
  EXPECT_EQ(replica_content("x"), "x");
}

TEST_F(LiveExcludeTest, WhatMovesOutsideTheMirrorIsNobodysBusiness) {
  put_source("out/e/f", "f");
  put_replica("out2", "own");
  mirror_without({"out*"});
  const std::uint64_t before = copied();
  ASSERT_TRUE(driver_->rename("out", "out2"));
  ASSERT_TRUE(driver_->rename("out2/e", "out2/g"));
  expect_equal();
  EXPECT_EQ(replica_content("out2"), "own");
  EXPECT_EQ(copied(), before);
}

TEST_F(LiveExcludeTest, AnExchangeOverTheBorderMovesBoth) {
  put_source("in/a", "a");
  put_source("out/b", "b");
  mirror_without({"out"});
  ASSERT_TRUE(driver_->rename("in", "out", RENAME_EXCHANGE));
  expect_equal();
  EXPECT_EQ(replica_content("in/b"), "b");
  EXPECT_FALSE(on_replica("in/a"));
  EXPECT_FALSE(on_replica("out"));
}

}  // namespace
}  // namespace mirrorfs::testing
