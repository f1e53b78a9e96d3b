// Where directories are known to stand, without a look at either tree.
#include "engine/state/directory_table.h"

#include <gmock/gmock.h>

#include "ring_fixture.h"

namespace mirrorfs::state {
namespace {

ObjectId object(std::uint64_t inode) { return {.device = 1, .inode = inode, .birth_ns = 0}; }

class DirectoryTableTest : public ring::RingFixture {
 protected:
  void SetUp() override {
    RingFixture::SetUp();
    make_ring();
    table_ = std::make_unique<DirectoryTable>(ring(), object(1), dir(), dir(), 16);
    table_->put(object(2), {object(1), "a"});
    table_->put(object(3), {object(2), "b"});
    table_->put(object(4), {object(3), "c"});
    table_->put(object(5), {object(1), "d"});
  }
  void TearDown() override {
    table_.reset();
    RingFixture::TearDown();
  }
  void erase_below(const ObjectId& directory) {
    for (const ObjectId& below : table_->below(directory)) table_->erase(below);
  }
  /// Of the five.
  std::vector<std::uint64_t> contained() const {
    std::vector<std::uint64_t> result;
    for (std::uint64_t inode = 1; inode <= 5; ++inode) {
      if (table_->contains(object(inode))) result.push_back(inode);
    }
    return result;
  }

  std::unique_ptr<DirectoryTable> table_;
};

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

TEST_F(DirectoryTableTest, ErasesAllBelowADirectoryAndNothingElse) {
  EXPECT_THAT(table_->below(object(2)), UnorderedElementsAre(object(3), object(4)));
  erase_below(object(2));
  EXPECT_THAT(contained(), ElementsAre(1, 2, 5));
  EXPECT_FALSE(table_->at({object(2), "b"}));
  EXPECT_EQ(table_->at({object(1), "a"}), object(2));
}

TEST_F(DirectoryTableTest, WhatWasMovedOutIsNotErasedWithWhatItWasBelow) {
  table_->put(object(3), {object(5), "b"});
  erase_below(object(2));
  EXPECT_THAT(contained(), ElementsAre(1, 2, 3, 4, 5));
  erase_below(object(5));
  EXPECT_THAT(contained(), ElementsAre(1, 2, 5));
}

TEST_F(DirectoryTableTest, WhatWasDisplacedIsNotBelowAnythingUntilItIsPutSomewhere) {
  table_->put(object(5), {object(2), "b"});
  EXPECT_THAT(table_->take_displaced(), ElementsAre(object(3)));
  erase_below(object(2));
  EXPECT_THAT(contained(), ElementsAre(1, 2, 3, 4));
  table_->put(object(3), {object(1), "e"});
  EXPECT_EQ(table_->path_of({object(4), "f"}), "e/c/f");
}

TEST_F(DirectoryTableTest, KnowsWhatIsBelowOneThatItKnowsNoMore) {
  table_->erase(object(2));
  table_->put(object(2), {object(1), "again"});
  EXPECT_THAT(table_->below(object(2)), UnorderedElementsAre(object(3), object(4)));
  table_->erase(object(3));
  table_->erase(object(2));
  table_->put(object(3), {object(2), "b"});
  table_->put(object(3), {object(2), "b"});
  EXPECT_THAT(table_->below(object(2)), UnorderedElementsAre(object(3), object(4)));
}

TEST_F(DirectoryTableTest, ACircleEnds) {
  table_->put(object(2), {object(4), "round"});
  EXPECT_THAT(table_->below(object(2)), UnorderedElementsAre(object(3), object(4)));
  EXPECT_THAT(table_->below(object(4)), UnorderedElementsAre(object(2), object(3)));
}

TEST_F(DirectoryTableTest, WhatWasErasedBelowMayComeBack) {
  erase_below(object(2));
  table_->put(object(3), {object(2), "b"});
  erase_below(object(2));
  EXPECT_THAT(contained(), ElementsAre(1, 2, 5));
}

}  // namespace
}  // namespace mirrorfs::state
