// The parts of engine/log that need no ring: claims, dependencies, watermark, times.
#include <gtest/gtest.h>

#include "engine/stream/claims.h"
#include "engine/stream/dependencies.h"
#include "engine/stream/watermark.h"

namespace mirrorfs::stream {
namespace {

using namespace std::chrono_literals;

ObjectId object(std::uint64_t inode) { return {.device = 1, .inode = inode, .birth_ns = 0}; }

bool holds(const ClaimSet& claims, Key key, bool exclusive) {
  for (const Claim& claim : claims.list()) {
    if (claim.key == key) return claim.exclusive == exclusive;
  }
  return false;
}

TEST(Claims, AWriteHoldsItsObjectAndGoesThroughItsEntry) {
  Write write{
      .object = object(5), .where = Location{object(1), "f"}, .offset = 0, .data = {}, .after = {}};
  const ClaimSet claims = claims_of(std::move(write));
  EXPECT_TRUE(holds(claims, object_key(object(5)), true));
  EXPECT_TRUE(holds(claims, object_key(object(1)), false));
  EXPECT_TRUE(holds(claims, entry_key(object(1), "f"), false));
}

TEST(Claims, ManyStandOnceEach) {
  ClaimSet claims;
  for (int round = 0; round < 2; ++round) {
    for (Key key = 1; key <= 1000; ++key) {
      if (round == 1 && key % 2 == 0) claims.exclusive(key);
      claims.shared(key);
    }
  }
  EXPECT_EQ(claims.list().size(), 1000U);
  for (Key key = 1; key <= 1000; ++key) EXPECT_TRUE(holds(claims, key, key % 2 == 0));
}

TEST(Claims, ACreateHoldsItsEntryExclusively) {
  const ClaimSet claims = claims_of(Operation{
      CreateNode{.object = object(5), .where = {object(1), "f"}, .after = {}, .parent_after = {}}});
  EXPECT_TRUE(holds(claims, entry_key(object(1), "f"), true));
  EXPECT_TRUE(holds(claims, object_key(object(1)), false));
}

TEST(Claims, ARenameHoldsBothEntriesAndWhatItReplaces) {
  Rename rename;
  rename.object = object(5);
  rename.from = {object(1), "a"};
  rename.to = {object(2), "b"};
  rename.replaced = object(6);
  const ClaimSet claims = claims_of(Operation{rename});
  for (const Key key : {object_key(object(5)), object_key(object(6)), entry_key(object(1), "a"),
                        entry_key(object(2), "b")}) {
    EXPECT_TRUE(holds(claims, key, true));
  }
  EXPECT_TRUE(holds(claims, object_key(object(1)), false));
  EXPECT_TRUE(holds(claims, object_key(object(2)), false));
}

TEST(Claims, ADirectoryRemovedIsHeldExclusivelySoItsChildrenComeFirst) {
  const ClaimSet claims = claims_of(Operation{
      RemoveDirectory{.object = object(5), .where = {object(1), "d"}, .parent_after = {}}});
  EXPECT_TRUE(holds(claims, object_key(object(5)), true));
}

TEST(Claims, TheStrongestRightCountsWhenAKeyIsNamedTwice) {
  ClaimSet claims;
  claims.shared(7);
  claims.exclusive(7);
  claims.shared(7);
  ASSERT_EQ(claims.list().size(), 1U);
  EXPECT_TRUE(claims.list()[0].exclusive);
}

TEST(Claims, EqualNamesInDifferentDirectoriesAreDifferentEntries) {
  EXPECT_NE(entry_key(object(1), "x"), entry_key(object(2), "x"));
  EXPECT_NE(entry_key(object(1), "x"), entry_key(object(1), "y"));
}

class Recorder final : public Ticket {
 public:
  explicit Recorder(std::vector<int>& order, int id) : order_(order), id_(id) {}

 private:
  void granted() override { order_.push_back(id_); }
  std::vector<int>& order_;
  int id_;
};

ClaimSet exclusive(Key key) {
  ClaimSet claims;
  claims.exclusive(key);
  return claims;
}
ClaimSet shared(Key key) {
  ClaimSet claims;
  claims.shared(key);
  return claims;
}

TEST(DependenciesG3, ExclusiveClaimsOnOneKeyRunInOrder) {
  Dependencies dependencies;
  std::vector<int> order;
  Recorder a(order, 1), b(order, 2), c(order, 3);
  dependencies.enter(a, exclusive(1));
  dependencies.enter(b, exclusive(1));
  dependencies.enter(c, exclusive(1));
  EXPECT_EQ(order, (std::vector<int>{1}));
  dependencies.leave(a);
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
  dependencies.leave(b);
  dependencies.leave(c);
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(dependencies.busy_keys(), 0U);
}

TEST(DependenciesG3, SharedClaimsRunTogetherButNotPastAnExclusiveOne) {
  Dependencies dependencies;
  std::vector<int> order;
  Recorder a(order, 1), b(order, 2), c(order, 3), d(order, 4);
  dependencies.enter(a, shared(1));
  dependencies.enter(b, shared(1));
  dependencies.enter(c, exclusive(1));
  dependencies.enter(d, shared(1));
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
  dependencies.leave(a);
  EXPECT_EQ(order.size(), 2U);
  dependencies.leave(b);
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
  dependencies.leave(c);
  EXPECT_EQ(order.back(), 4);
  dependencies.leave(d);
}

TEST(DependenciesG3, ATicketNeedsAllItsKeys) {
  Dependencies dependencies;
  std::vector<int> order;
  Recorder a(order, 1), b(order, 2), both(order, 3), later(order, 4);
  dependencies.enter(a, exclusive(1));
  dependencies.enter(b, exclusive(2));
  ClaimSet two;
  two.exclusive(1);
  two.exclusive(2);
  dependencies.enter(both, two);
  dependencies.enter(later, exclusive(2));
  dependencies.leave(b);
  EXPECT_EQ(order, (std::vector<int>{1, 2})) << "the later ticket overtook the waiting one";
  dependencies.leave(a);
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
  dependencies.leave(both);
  EXPECT_EQ(order.back(), 4);
  dependencies.leave(later);
}

TEST(Dependencies, TellsWhoIsAlone) {
  Dependencies dependencies;
  std::vector<int> order;
  Recorder a(order, 1), b(order, 2), c(order, 3);
  EXPECT_TRUE(dependencies.idle(9));
  dependencies.enter(a, shared(9));
  EXPECT_TRUE(dependencies.sole_holder(9));
  dependencies.enter(b, shared(9));
  EXPECT_FALSE(dependencies.sole_holder(9));
  dependencies.leave(a);
  EXPECT_TRUE(dependencies.sole_holder(9));
  dependencies.enter(c, exclusive(9));
  EXPECT_FALSE(dependencies.sole_holder(9));
  EXPECT_TRUE(dependencies.contended(9));
  dependencies.leave(b);
  dependencies.leave(c);
  EXPECT_TRUE(dependencies.idle(9));
}

TEST(Watermark, MovesOnlyOverAnUnbrokenRow) {
  Watermark mark;
  const auto now = Watermark::Clock::now();
  for (std::uint64_t number = 1; number <= 4; ++number) mark.open({number}, now);
  EXPECT_FALSE(mark.close({2}));
  EXPECT_FALSE(mark.close({3}));
  EXPECT_EQ(mark.closed_through().value, 0U);
  EXPECT_TRUE(mark.close({1}));
  EXPECT_EQ(mark.closed_through().value, 3U);
  EXPECT_EQ(mark.open_count(), 1U);
  EXPECT_TRUE(mark.close({4}));
  EXPECT_EQ(mark.closed_through().value, 4U);
}

TEST(Watermark, TellsTheAgeOfTheOldest) {
  Watermark mark;
  const auto start = Watermark::Clock::now();
  EXPECT_EQ(mark.oldest(start), start);
  mark.open({1}, start);
  mark.open({2}, start + 5s);
  mark.close({2});
  EXPECT_EQ(mark.oldest(start + 9s), start);
  mark.close({1});
  EXPECT_EQ(mark.oldest(start + 9s), start + 9s);
}

}  // namespace
}  // namespace mirrorfs::stream
