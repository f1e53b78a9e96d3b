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
    table_->made(object(2), {object(1), "a"});
    table_->made(object(3), {object(2), "b"});
    table_->made(object(4), {object(3), "c"});
    table_->made(object(5), {object(1), "d"});
  }
  void TearDown() override {
    table_.reset();
    RingFixture::TearDown();
  }
  void erase(std::uint64_t inode) { table_->erase(object(inode), {0}); }
  void erase_below(std::uint64_t inode) {
    for (const ObjectId& below : table_->below(object(inode))) table_->erase(below, {0});
  }
  void move(std::uint64_t inode, const Location& to) { table_->moved(object(inode), to); }
  /// A reading met it there, with this copy; 0: made anew. Whether it has to be walked.
  bool meet(std::uint64_t inode, const Location& where, std::uint64_t copy) {
    const ObjectId replica = copy != 0 ? object(copy) : ObjectId{};
    return table_->met(object(inode), where, replica, {0}).must_be_walked;
  }
  [[nodiscard]] DirectoryState state(std::uint64_t inode) const {
    return *table_->state(object(inode));
  }
  void walk(std::uint64_t inode) {
    table_->begin_walk(object(inode));
    EXPECT_TRUE(table_->end_walk(object(inode)));
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
  erase_below(2);
  EXPECT_THAT(contained(), ElementsAre(1, 2, 5));
  EXPECT_FALSE(table_->at({object(2), "b"}));
  EXPECT_EQ(table_->at({object(1), "a"}), object(2));
}

TEST_F(DirectoryTableTest, WhatWasMovedOutIsNotErasedWithWhatItWasBelow) {
  move(3, {object(5), "b"});
  erase_below(2);
  EXPECT_THAT(contained(), ElementsAre(1, 2, 3, 4, 5));
  erase_below(5);
  EXPECT_THAT(contained(), ElementsAre(1, 2, 5));
}

TEST_F(DirectoryTableTest, WhatWasDisplacedIsNotBelowAnythingUntilItIsPlaced) {
  move(5, {object(2), "b"});
  EXPECT_THAT(table_->take_displaced(), ElementsAre(object(3)));
  EXPECT_EQ(state(3), DirectoryState::kUnplaced);
  EXPECT_EQ(table_->unsettled(), 1U);
  erase_below(2);
  EXPECT_THAT(contained(), ElementsAre(1, 2, 3, 4));
  EXPECT_TRUE(meet(3, {object(1), "e"}, 0));
  EXPECT_EQ(state(3), DirectoryState::kUnwalked);
}

TEST_F(DirectoryTableTest, AnExchangeDisplacesNobody) {
  table_->exchanged(object(3), object(5));
  EXPECT_TRUE(table_->take_displaced().empty());
  EXPECT_EQ(table_->at({object(1), "d"}), object(3));
  EXPECT_EQ(table_->at({object(2), "b"}), object(5));
  EXPECT_EQ(table_->unsettled(), 0U);
}

TEST_F(DirectoryTableTest, KnowsWhatIsBelowOneThatItKnowsNoMore) {
  erase(2);
  table_->made(object(2), {object(1), "again"});
  EXPECT_THAT(table_->below(object(2)), UnorderedElementsAre(object(3), object(4)));
  erase(3);
  erase(2);
  table_->made(object(3), {object(2), "b"});
  EXPECT_THAT(table_->below(object(2)), UnorderedElementsAre(object(3), object(4)));
}

TEST_F(DirectoryTableTest, ACircleEnds) {
  move(2, {object(4), "round"});
  EXPECT_THAT(table_->below(object(2)), UnorderedElementsAre(object(3), object(4)));
  EXPECT_THAT(table_->below(object(4)), UnorderedElementsAre(object(2), object(3)));
}

TEST_F(DirectoryTableTest, G1AWalkMakesKnownOnlyWhatNobodyMarkedMeanwhile) {
  table_->mark_unwalked(object(2));
  EXPECT_EQ(table_->unsettled(), 1U);
  table_->begin_walk(object(2));
  table_->mark_unwalked(object(2));
  EXPECT_FALSE(table_->end_walk(object(2)));
  EXPECT_EQ(state(2), DirectoryState::kUnwalked);
  walk(2);
  EXPECT_TRUE(table_->is_known(object(2)));
  EXPECT_EQ(table_->unsettled(), 0U);
}

TEST_F(DirectoryTableTest, OneWhoseCopyCannotBeOpenedIsWalkedWhenItIsMetAgain) {
  EXPECT_TRUE(meet(2, {object(1), "a"}, 20));
  walk(2);
  table_->mark_damaged(object(2));
  EXPECT_EQ(state(2), DirectoryState::kDamaged);
  EXPECT_EQ(table_->unsettled(), 0U) << "the mark on its entry stands for it";
  EXPECT_TRUE(meet(2, {object(1), "a"}, 20));
  EXPECT_EQ(state(2), DirectoryState::kUnwalked);
  table_->begin_walk(object(2));
  table_->fail_walk(object(2));
  EXPECT_EQ(state(2), DirectoryState::kDamaged);
}

TEST_F(DirectoryTableTest, AKnownDirectoryInItsPlaceWithItsCopyIsNotWalked) {
  EXPECT_TRUE(meet(2, {object(1), "a"}, 20)) << "its copy was not known";
  walk(2);
  EXPECT_FALSE(meet(2, {object(1), "a"}, 20));
  EXPECT_TRUE(meet(2, {object(1), "elsewhere"}, 20));
}

TEST_F(DirectoryTableTest, G1ACopyThatIsGivenUpIsNobodysUntilOperationsInItHaveEnded) {
  using Standing = ReplicaOwners::Standing;
  (void)table_->met(object(2), {object(1), "a"}, object(20), {0});
  (void)table_->met(object(3), {object(2), "b"}, object(30), {0});
  const auto lost = table_->met(object(2), {object(1), "elsewhere"}, object(21), {7}).forgotten;
  EXPECT_THAT(lost, UnorderedElementsAre(object(3), object(4)));
  const auto& owners = table_->owners();
  EXPECT_EQ(owners.standing(object(21), object(2)), Standing::kOwn);
  EXPECT_EQ(owners.standing(object(20), object(2)), Standing::kOthers);
  EXPECT_EQ(owners.standing(object(30), object(3)), Standing::kOthers);
  table_->owners().release_orphans({6});
  EXPECT_EQ(owners.standing(object(20), object(2)), Standing::kOthers);
  table_->owners().release_orphans({7});
  EXPECT_EQ(owners.standing(object(20), object(9)), Standing::kFree);
}

TEST_F(DirectoryTableTest, G1ACopyThatIsGivenUpIsNobodysUntilUsesThatHadBegunHaveEnded) {
  using Standing = ReplicaOwners::Standing;
  auto& owners = table_->owners();
  std::optional<ReplicaOwners::Use> before(std::in_place, owners);
  (void)table_->met(object(2), {object(1), "a"}, object(20), {0});
  (void)table_->met(object(2), {object(1), "elsewhere"}, object(21), {7});
  const ReplicaOwners::Use afterwards(owners);
  owners.release_orphans({7});
  EXPECT_EQ(owners.standing(object(20), object(9)), Standing::kOthers);
  before.reset();
  owners.release_orphans({6});
  EXPECT_EQ(owners.standing(object(20), object(9)), Standing::kOthers);
  owners.release_orphans({7});
  EXPECT_EQ(owners.standing(object(20), object(9)), Standing::kFree);
}

/// Else many directories that come and go would be remembered until somebody reconciles.
TEST_F(DirectoryTableTest, NothingIsRememberedOfACopyThatAnOperationRemoved) {
  using Standing = ReplicaOwners::Standing;
  const auto& owners = table_->owners();
  const std::size_t before = owners.size();
  (void)table_->met(object(5), {object(1), "d"}, object(50), {7});
  EXPECT_EQ(owners.size(), before + 1);
  table_->removed(object(5));
  EXPECT_EQ(owners.standing(object(50), object(9)), Standing::kFree);
  table_->erase(object(5), {8});
  EXPECT_EQ(owners.size(), before);
}

TEST_F(DirectoryTableTest, AWalkOfEverythingTellsWhatItDidNotMeet) {
  table_->mark_all_unwalked();
  EXPECT_EQ(table_->unsettled(), 5U);
  EXPECT_TRUE(meet(2, {object(1), "a"}, 20));
  table_->made(object(6), {object(1), "new"});
  EXPECT_THAT(table_->not_met(), UnorderedElementsAre(object(3), object(4), object(5)));
}

}  // namespace
}  // namespace mirrorfs::state
