// G9: what is kept of attributes that the replica does not take.
#include <gtest/gtest.h>

#include "engine/state/refusals.h"

namespace mirrorfs::state {
namespace {

using namespace std::chrono_literals;

const ObjectId kDirectory{.device = 1, .inode = 2};

Location at(const char* name) { return {kDirectory, name}; }
ObjectId object(std::uint64_t inode) { return {.device = 1, .inode = inode}; }

class RefusalsTest : public testing::Test {
 protected:
  bool note(const char* name, const Error& error) {
    return refusals_.note(at(name), object(++inodes_), error, held_, now_);
  }
  const Error owner_{EPERM, "fchown", {}};
  const Error label_{EOPNOTSUPP, "setxattr", "security.selinux"};
  const std::shared_ptr<void> held_ = std::make_shared<int>();
  const Refusals::Clock::time_point now_ = Refusals::Clock::now();
  Refusals refusals_;
  std::uint64_t inodes_ = 100;
};

TEST_F(RefusalsTest, TheFirstOfAKindIsTold) {
  EXPECT_TRUE(note("a", owner_));
  EXPECT_FALSE(note("b", owner_));
  EXPECT_TRUE(note("c", label_));
  EXPECT_FALSE(note("a", owner_));
  EXPECT_EQ(refusals_.size(), 3U);
}

TEST_F(RefusalsTest, OneOfEachKindIsTriedLessAndLessOften) {
  (void)note("a", owner_);
  (void)note("b", owner_);
  (void)note("c", label_);
  EXPECT_TRUE(refusals_.due(now_).empty());
  EXPECT_EQ(refusals_.due(now_ + 2s).size(), 2U);
  EXPECT_TRUE(refusals_.due(now_ + 2s).empty());
  unsigned tries = 0;
  for (auto later = now_ + 2s; later < now_ + 1h; later += 1s) {
    tries += static_cast<unsigned>(refusals_.due(later).size());
  }
  EXPECT_LE(tries, 2U * (60 + 10)) << "once a minute";
  EXPECT_GE(tries, 2U * 55);
}

TEST_F(RefusalsTest, WhatIsTakenOnATryBringsTheOthersOfItsKind) {
  (void)note("a", owner_);
  (void)note("b", owner_);
  (void)note("c", label_);
  EXPECT_TRUE(refusals_.taken(at("a")).empty()) << "nobody had tried";
  (void)note("a", owner_);
  const auto due = refusals_.due(now_ + 2s);
  ASSERT_EQ(due.size(), 2U);
  const auto& tried = due.front().entry == at("c") ? due.back() : due.front();
  const auto others = refusals_.taken(tried.entry);
  ASSERT_EQ(others.size(), 1U);
  EXPECT_NE(others.front().entry, tried.entry);
  EXPECT_NE(others.front().entry, at("c"));
  EXPECT_EQ(refusals_.size(), 2U);
}

TEST_F(RefusalsTest, ATryThatIsRefusedAgainBringsNobody) {
  (void)note("a", owner_);
  (void)note("b", owner_);
  const auto due = refusals_.due(now_ + 2s);
  ASSERT_EQ(due.size(), 1U);
  EXPECT_FALSE(refusals_.note(due.front().entry, due.front().object, owner_, held_, now_));
  EXPECT_TRUE(refusals_.taken(due.front().entry).empty());
}

TEST_F(RefusalsTest, TheyFollowNames) {
  (void)note("a", owner_);
  (void)note("b", label_);
  refusals_.exchanged(at("a"), at("b"));
  const auto named = refusals_.named(10);
  ASSERT_EQ(named.size(), 2U);
  for (const auto& [entry, why] : named) {
    EXPECT_EQ(why, entry == at("a") ? label_.message() : owner_.message());
  }
  refusals_.renamed(at("a"), at("b"));
  EXPECT_FALSE(refusals_.contains(at("a")));
  EXPECT_TRUE(refusals_.contains(at("b")));
  EXPECT_EQ(refusals_.size(), 1U);
  EXPECT_TRUE(note("c", owner_)) << "its kind had gone with the name that was replaced";
  refusals_.forget_directory(kDirectory);
  EXPECT_EQ(refusals_.size(), 0U);
  EXPECT_EQ(held_.use_count(), 1) << "nothing is held for them";
}

TEST_F(RefusalsTest, AnotherKindTakesThePlaceOfTheFirst) {
  (void)note("a", owner_);
  EXPECT_TRUE(note("a", label_));
  EXPECT_EQ(refusals_.size(), 1U);
  EXPECT_TRUE(note("b", owner_)) << "none of its kind was left";
}

}  // namespace
}  // namespace mirrorfs::state
