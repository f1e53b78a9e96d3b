// What a durable journal marks of objects with several names: a power cut may take one of them.
#include "mark_journal_fixture.h"

namespace mirrorfs::journal {
namespace {

class MarkJournalLinksTest : public MarkJournalTest {
 protected:
  static constexpr std::uint64_t kFile = 5;
  MarkJournalLinksTest() {
    owner_.durable = true;
    create();
  }
  static OtherNames others(std::vector<Location> known, bool all = true) {
    return {.object = object(kFile), .known = std::move(known), .all = all};
  }
  static Footprint write_to(const Location& name, OtherNames known) {
    return std::move(change_of(name, kFile).other_names(std::move(known)));
  }
  static Footprint removal_of(const Location& name, OtherNames left) {
    return std::move(names_of(name).object(object(kFile)).other_names(std::move(left)));
  }
  const Location a_{kRoot, "a"}, b_{kRoot, "b"}, c_{kRoot, "c"};
};

TEST_F(MarkJournalLinksTest, G1AnOldNameIsEnough) {
  change(write_to(a_, others({b_})), 1);
  EXPECT_EQ(marked(), Names{"a"});
}

TEST_F(MarkJournalLinksTest, G1WhereTheNameGoesAnotherIsMarked) {
  change(write_to(a_, others({b_})), 1);
  change(removal_of(a_, others({b_})), 2);
  EXPECT_EQ(marked(), (Names{"a", "b"}));
  journal_->clear_through({1});
  EXPECT_EQ(marked(), (Names{"a", "b"}));
  journal_->clear_through({2});
  EXPECT_EQ(marked(), Names{});
}

TEST_F(MarkJournalLinksTest, OfWhatWasNotChangedNoOtherNameIsMarked) {
  change(removal_of(a_, others({b_})), 1);
  EXPECT_EQ(marked(), Names{"a"});
  change(write_to(b_, others({c_})), 2);
  journal_->clear_through({2});
  change(removal_of(b_, others({c_})), 3);
  EXPECT_EQ(marked(), Names{"b"});
}

TEST_F(MarkJournalLinksTest, G1BesideAYoungNameAnOldOneIsMarked) {
  change(names_of(a_), 1);  // link(2)
  change(write_to(a_, others({b_, c_})), 2);
  EXPECT_EQ(marked(), (Names{"a", "b"}));
}

TEST_F(MarkJournalLinksTest, G1InAYoungDirectoryEachNameIsYoung) {
  const Location in{object(7), "in"};
  {
    MarkJournal::Held held = journal_->begin(names_of({kRoot, "new"}));
    journal_->follow(made(7, {kRoot, "new"}));
    held.end({1});
  }
  change(write_to(in, others({b_})), 2);
  EXPECT_EQ(marked(), (Names{"b", "new"}));
}

TEST_F(MarkJournalLinksTest, G1OfYoungNamesAllAreMarkedAndKept) {
  change(names_of(a_), 1);
  change(names_of(b_), 2);
  change(write_to(a_, others({b_})), 3);
  journal_->clear_through({2});
  EXPECT_EQ(marked(), (Names{"a", "b"}));
}

TEST_F(MarkJournalLinksTest, G1AnUnknownNameMayBeAnywhere) {
  change(names_of(a_), 1);
  change(write_to(a_, others({}, false)), 2);
  EXPECT_TRUE(content().everything);
}

TEST_F(MarkJournalLinksTest, WhatOnlyAKillEndsNeedsNoOtherName) {
  owner_.durable = false;
  create();
  change(names_of(a_), 1);
  change(write_to(a_, others({b_})), 2);
  EXPECT_EQ(marked(), Names{"a"});
}

TEST_F(MarkJournalTest, G1WhatIsNotedStaysUntilASyncThatBeganLater) {
  const std::uint64_t before = journal_->begin_round();
  journal_->note({kRoot, "a"});
  journal_->mark_everything({});
  journal_->clear_through({9}, before);
  EXPECT_EQ(marked(), Names{"a"});
  EXPECT_TRUE(content().everything);
  const std::uint64_t after = journal_->begin_round();
  journal_->clear_through({9}, after);
  EXPECT_EQ(marked(), Names{});
  EXPECT_FALSE(content().everything);
}

TEST_F(MarkJournalLinksTest, WhatIsNotedIsOnTheDiskWhenItWasWaitedFor) {
  journal_->note(a_);
  EXPECT_TRUE(journal_->lags());
  journal_->wait_until_durable();
  EXPECT_FALSE(journal_->lags());
}

}  // namespace
}  // namespace mirrorfs::journal
