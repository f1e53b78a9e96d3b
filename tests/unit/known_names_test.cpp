// What is known of objects by their names: pending times, names of objects with several, open
// files.
#include <gtest/gtest.h>

#include "engine/state/file_cache.h"
#include "engine/state/link_names.h"
#include "engine/state/pending_times.h"

namespace mirrorfs::state {
namespace {

using namespace std::chrono_literals;

ObjectId object(std::uint64_t inode) { return {.device = 1, .inode = inode, .birth_ns = 0}; }

Metadata modified(time_t seconds) {
  Metadata metadata;
  metadata.mtime.tv_sec = seconds;
  return metadata;
}

class PendingTimesTest : public ::testing::Test {
 protected:
  using Clock = PendingTimes::Clock;
  void note(const Operation& operation, std::uint64_t number) {
    times_.note(operation, {number}, now_);
  }
  void note(std::uint64_t inode, const Metadata& after, std::uint64_t number) {
    times_.note(object(inode), Location{object(1), "f"}, after, {number}, now_);
  }
  [[nodiscard]] bool pending(std::uint64_t inode) const {
    return times_.find(object(inode)) != nullptr;
  }
  PendingTimes times_;
  Clock::time_point now_{std::chrono::seconds(100)};
};

TEST_F(PendingTimesTest, KeepsTheNewestWhateverTheOrderOfNotes) {
  note(3, modified(20), 20);
  note(3, modified(10), 10);
  ASSERT_TRUE(pending(3));
  EXPECT_EQ(times_.find(object(3))->after.mtime.tv_sec, 20);
}

TEST_F(PendingTimesTest, AnEntryMovesItsParentsTimes) {
  Rename rename;
  rename.object = object(5);
  rename.from = {object(1), "a"};
  rename.to = {object(2), "b"};
  note(Operation{rename}, 1);
  EXPECT_TRUE(pending(1));
  EXPECT_TRUE(pending(2));
  EXPECT_FALSE(pending(5));
}

TEST_F(PendingTimesTest, FollowsTheObjectsName) {
  note(5, modified(20), 1);
  Rename rename;
  rename.object = object(5);
  rename.from = {object(1), "f"};
  rename.to = {object(2), "b"};
  note(Operation{rename}, 2);
  EXPECT_EQ(times_.find(object(5))->where, rename.to);
  Unlink unlink{.object = object(5),
                .where = rename.to,
                .last_link = false,
                .other_name = Location{object(2), "c"},
                .parent_after = {}};
  note(Operation{unlink}, 3);
  EXPECT_EQ(times_.find(object(5))->where, (Location{object(2), "c"}));
  unlink.last_link = true;
  note(Operation{unlink}, 4);
  EXPECT_FALSE(pending(5));
}

TEST_F(PendingTimesTest, TimesThatAreSetReplaceOlderOnes) {
  note(3, modified(20), 1);
  SetAttributes change;
  change.object = object(3);
  change.changed = SetAttributes::kMode;
  note(Operation{change}, 2);
  EXPECT_TRUE(pending(3)) << "a new mode does not set the times";
  change.changed = SetAttributes::kTimes;
  change.after = modified(30);
  note(Operation{change}, 0);
  EXPECT_EQ(times_.find(object(3))->after.mtime.tv_sec, 20) << "what was read later is to be set";
  note(Operation{change}, 2);
  EXPECT_EQ(times_.find(object(3))->after.mtime.tv_sec, 30);
}

TEST_F(PendingTimesTest, TimesThatNobodyLookedAtAreLearntUntilTheyMoveAgain) {
  note(3, Metadata::with_unknown_times(), 1);
  times_.learn(object(3), modified(20));
  ASSERT_TRUE(times_.find(object(3))->after.times_known);
  times_.learn(object(3), modified(21));
  EXPECT_EQ(times_.find(object(3))->after.mtime.tv_sec, 20) << "known, not asked for";
  note(3, Metadata::with_unknown_times(), 2);
  EXPECT_FALSE(times_.find(object(3))->after.times_known);
}

TEST_F(PendingTimesTest, ALinkTellsTimesThatNobodyLookedAt) {
  note(3, Metadata::with_unknown_times(), 1);
  const Link link{.object = object(3),
                  .existing = Location{object(1), "f"},
                  .where = {object(1), "g"},
                  .after = modified(20),
                  .parent_after = {}};
  note(Operation{link}, 2);
  EXPECT_EQ(times_.find(object(3))->after.mtime.tv_sec, 20);
}

TEST_F(PendingTimesTest, IsDueWhenLeftAloneOrWhenItHasWaitedForLong) {
  using std::chrono::milliseconds;
  note(3, modified(20), 1);
  EXPECT_TRUE(times_.due(now_ - milliseconds(1), now_ - milliseconds(1)).empty());
  EXPECT_EQ(times_.due(now_, now_ - milliseconds(1)).size(), 1U);
  now_ += milliseconds(10);
  note(3, modified(21), 2);
  EXPECT_TRUE(times_.due(now_ - milliseconds(2), now_ - milliseconds(20)).empty());
  EXPECT_EQ(times_.due(now_ - milliseconds(2), now_ - milliseconds(10)).size(), 1U);
}

TEST(LinkNames, FollowsRenamesAndRemovals) {
  LinkNames names;
  names.add(object(1), {object(9), "a"});
  names.add(object(1), {object(9), "b"});
  names.add(object(1), {object(9), "b"});
  EXPECT_EQ(names.all(object(1)).size(), 2U);
  names.rename(object(1), {object(9), "a"}, {object(8), "c"});
  names.release({object(9), "b"});
  EXPECT_EQ(names.any(object(1)), (Location{object(8), "c"}));
  names.release({object(8), "c"});
  EXPECT_FALSE(names.contains(object(1)));
}

TEST(LinkNames, ANameBelongsToOneObject) {
  LinkNames names;
  names.add(object(1), {object(9), "a"});
  names.add(object(2), {object(9), "a"});
  EXPECT_FALSE(names.contains(object(1)));
  EXPECT_EQ(names.any(object(2)), (Location{object(9), "a"}));
}

TEST(LinkNames, ADirectoryToBeWalkedKnowsNoNames) {
  LinkNames names;
  names.add(object(1), {object(9), "a"});
  names.add(object(1), {object(8), "b"});
  names.release_directory(object(9));
  EXPECT_EQ(names.all(object(1)), (std::vector<Location>{{object(8), "b"}}));
}

const Location kName{{.device = 1, .inode = 100, .birth_ns = 0}, "f"};

TEST(FileCache, ClosesTheLeastRecentlyUsed) {
  FileCache cache(4);
  for (std::uint64_t i = 1; i <= 4; ++i) cache.put(object(i), kName, UniqueFd(::dup(0)));
  EXPECT_NE(cache.find(object(1), kName), nullptr);
  cache.put(object(5), kName, UniqueFd(::dup(0)));
  EXPECT_EQ(cache.size(), 4U);
  EXPECT_EQ(cache.find(object(2), kName), nullptr);
  EXPECT_NE(cache.find(object(1), kName), nullptr);
}

TEST(FileCache, ClosesWhatNobodyUsedForAWhile) {
  FileCache cache(8);
  cache.put(object(1), kName, UniqueFd(::dup(0)));
  cache.put(object(2), kName, UniqueFd(::dup(0)));
  cache.put(object(3), kName, UniqueFd(::dup(0)));
  const auto then = FileCache::Clock::now();
  EXPECT_NE(cache.find(object(1), kName), nullptr);
  cache.close_unused_since(then);
  EXPECT_NE(cache.find(object(1), kName), nullptr);
  EXPECT_EQ(cache.find(object(2), kName), nullptr);
  EXPECT_EQ(cache.size(), 1U);
}

TEST(FileCache, ForgetsTheFilesOfOneDirectory) {
  FileCache cache(8);
  const Location elsewhere{object(200), "f"};
  cache.put(object(1), kName, UniqueFd(::dup(0)));
  cache.put(object(2), elsewhere, UniqueFd(::dup(0)));
  cache.erase_in(kName.parent);
  EXPECT_EQ(cache.find(object(1), kName), nullptr);
  EXPECT_NE(cache.find(object(2), elsewhere), nullptr);
}

TEST(FileCache, WhatLeavesFollowsTheNamesThatItsObjectLoses) {
  FileCache cache(8);
  const ObjectId object{1, 7, 7};
  const Location first{{1, 1, 1}, "first"}, second{{1, 1, 1}, "second"};
  cache.put(object, first, UniqueFd(::open("/dev/null", O_WRONLY | O_CLOEXEC)));
  cache.lost_name(object, first, second);
  EXPECT_NE(cache.find(object, second), nullptr);
  cache.lost_name(object, first, std::nullopt);  // it is not its name any more
  EXPECT_EQ(cache.size(), 1U);
  cache.erase(object);
  cache.lost_name(object, second, std::nullopt);
  auto* const leaving = cache.next_unused();
  ASSERT_NE(leaving, nullptr);
  EXPECT_EQ(leaving->where, std::nullopt) << "it would be looked for under a name of another";
  cache.closed(leaving);
}

TEST(FileCache, ADescriptorServesTheNameItWasOpenedBy) {
  FileCache cache(8);
  const Location elsewhere{object(200), "f"};
  cache.put(object(1), kName, UniqueFd(::dup(0)));
  EXPECT_EQ(cache.find(object(1), elsewhere), nullptr);
  EXPECT_NE(cache.find(object(1), std::nullopt), nullptr);
  cache.moved(object(1), elsewhere);
  EXPECT_NE(cache.find(object(1), elsewhere), nullptr);
  EXPECT_EQ(cache.find(object(1), kName), nullptr);
}

}  // namespace
}  // namespace mirrorfs::state
