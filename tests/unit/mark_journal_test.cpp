// The journal of marks: what it keeps, and for how long.
#include <thread>

#include "mark_journal_fixture.h"

namespace mirrorfs::journal {
namespace {

namespace fs = std::filesystem;

TEST_F(MarkJournalTest, G1AMarkIsInTheFileBeforeTheChange) {
  const MarkJournal::Held held = journal_->begin(change_of({kRoot, "f"}, 5));
  const JournalContent now = content();
  EXPECT_EQ(now.owner, owner_);
  EXPECT_FALSE(now.everything);
  ASSERT_EQ(now.marks.size(), 1U);
  EXPECT_EQ(now.marks[0], (JournalMark{{kRoot, "f"}, object(5), false}));
}

TEST_F(MarkJournalTest, AHotObjectCostsNothingMore) {
  change(change_of({kRoot, "f"}, 5), 1);
  const auto size = fs::file_size(file());
  for (std::uint64_t number = 2; number < 100; ++number) change(change_of({kRoot, "f"}, 5), number);
  EXPECT_EQ(fs::file_size(file()), size);
}

TEST_F(MarkJournalTest, G1AnEntryThatMayStandForAnotherObjectIsMarkedMoreStrongly) {
  change(change_of({kRoot, "f"}, 5), 1);
  change(names_of({kRoot, "f"}), 2);
  EXPECT_TRUE(content().marks.back().names);
  const auto size = fs::file_size(file());
  change(change_of({kRoot, "f"}, 6), 3);
  EXPECT_EQ(fs::file_size(file()), size);
}

TEST_F(MarkJournalTest, WhatChangesNothingIsNotMarked) {
  change(std::move(names_of({kRoot, "f"}).change(Footprint::Change::kNothing)), 1);
  EXPECT_TRUE(content().marks.empty());
}

TEST_F(MarkJournalTest, AMarkGoesWhenAllOnItIsDurable) {
  change(names_of({kRoot, "a"}), 1);
  change(names_of({kRoot, "b"}), 2);
  change(names_of({kRoot, "c"}), 3);
  change(names_of({kRoot, "a"}), 4);
  journal_->clear_through({3});
  EXPECT_EQ(marked(), Names{"a"});
  EXPECT_EQ(journal_->size(), 1U);
  journal_->clear_through({4});
  EXPECT_TRUE(marked().empty());
  EXPECT_FALSE(fs::exists(base_ / "pair.marks.new"));
}

TEST_F(MarkJournalTest, G1AMarkUnderWayStays) {
  MarkJournal::Held held = journal_->begin(names_of({kRoot, "a"}));
  journal_->clear_through({100});
  EXPECT_EQ(marked(), Names{"a"});
  held.end({101});
  journal_->clear_through({100});
  EXPECT_EQ(marked(), Names{"a"});
  journal_->clear_through({101});
  EXPECT_TRUE(marked().empty());
}

TEST_F(MarkJournalTest, G1AMarkIsWrittenAgainAfterItWasCleared) {
  change(names_of({kRoot, "a"}), 1);
  journal_->clear_through({1});
  change(names_of({kRoot, "a"}), 2);
  EXPECT_EQ(marked(), Names{"a"});
}

TEST_F(MarkJournalTest, G1ADirectoryIsFoundWhereItWasMovedTo) {
  journal_->follow(made(10, {kRoot, "d"}));
  journal_->follow(made(11, {object(10), "e"}));
  change(change_of({object(11), "f"}, 5), 1);
  EXPECT_EQ(place_of(11), (Location{object(10), "e"}));
  EXPECT_EQ(place_of(10), (Location{kRoot, "d"}));
  journal_->follow(moved(10, {kRoot, "d"}, {kRoot, "elsewhere"}));
  EXPECT_EQ(place_of(10), (Location{kRoot, "elsewhere"}));
  journal_->clear_through({0});
  EXPECT_EQ(place_of(10), (Location{kRoot, "elsewhere"}));
}

TEST_F(MarkJournalTest, AMarkOnANewDirectoryCoversAllThatIsMadeInIt) {
  MarkJournal::Held held = journal_->begin(names_of({kRoot, "d"}));
  journal_->follow(made(10, {kRoot, "d"}));
  held.end({1});
  const auto size = fs::file_size(file());
  change(names_of({object(10), "f"}), 2);
  journal_->follow(made(11, {object(10), "e"}));
  change(names_of({object(11), "g"}), 3);
  EXPECT_EQ(fs::file_size(file()), size);
  EXPECT_EQ(marked(), Names{"d"});
  // As long as one of them is not durable, the mark stays; from now on they have their own.
  journal_->clear_through({2});
  EXPECT_EQ(marked(), Names{"d"});
  change(names_of({object(11), "h"}), 4);
  EXPECT_EQ(marked(), (Names{"d", "h"}));
  journal_->clear_through({3});
  EXPECT_EQ(marked(), Names{"h"});
}

/// It is not where the mark is any more, and a change below it is still under way.
TEST_F(MarkJournalTest, G1ANewDirectoryThatMovesIsCoveredWhereItIs) {
  MarkJournal::Held held = journal_->begin(names_of({kRoot, "d"}));
  journal_->follow(made(10, {kRoot, "d"}));
  held.end({1});
  MarkJournal::Held below = journal_->begin(names_of({object(10), "f"}));
  Footprint renaming;
  renaming.object(object(10)).entry(Location{kRoot, "d"}).entry(Location{kRoot, "e"});
  MarkJournal::Held moving = journal_->begin(renaming);
  journal_->follow(moved(10, {kRoot, "d"}, {kRoot, "e"}));
  moving.end({2});
  journal_->clear_through({2});
  EXPECT_EQ(marked(), (Names{"d", "e"}));
  below.end({3});
  journal_->clear_through({2});
  EXPECT_EQ(marked(), (Names{"d", "e"}));
  change(names_of({object(10), "g"}), 4);
  EXPECT_EQ(marked(), (Names{"d", "e", "g"}));
  journal_->clear_through({3});
  EXPECT_EQ(marked(), Names{"g"});
}

/// The directory that it left is removed while a change below it is still under way.
TEST_F(MarkJournalTest, G1ANewDirectoryIsCoveredThoughTheOneItLeftIsGone) {
  journal_->follow(made(9, {kRoot, "a"}));
  {
    MarkJournal::Held held = journal_->begin(names_of({object(9), "d"}));
    journal_->follow(made(10, {object(9), "d"}));
    held.end({1});
  }
  MarkJournal::Held below = journal_->begin(names_of({object(10), "f"}));
  Footprint renaming;
  renaming.object(object(10)).entry(Location{object(9), "d"}).entry(Location{kRoot, "e"});
  MarkJournal::Held moving = journal_->begin(renaming);
  journal_->follow(moved(10, {object(9), "d"}, {kRoot, "e"}));
  moving.end({2});
  change(names_of({kRoot, "a"}), 3);
  journal_->follow(RemoveDirectory{.object = object(9), .where = {kRoot, "a"}, .parent_after = {}});
  journal_->clear_through({3});
  EXPECT_EQ(marked(), Names{"e"});
  below.end({4});
  journal_->clear_through({3});
  EXPECT_EQ(marked(), Names{"e"});
  journal_->clear_through({4});
  EXPECT_TRUE(marked().empty());
}

TEST_F(MarkJournalTest, ADurableJournalTellsWhenWhatWasAnnouncedIsOnTheDisk) {
  owner_.durable = true;
  create();
  std::atomic<unsigned> told = 0;
  for (const char* name : {"a", "b"}) {
    ASSERT_TRUE(journal_->announce(names_of({kRoot, name}), [&told] { ++told; }));
  }
  for (unsigned look = 0; look < 1000 && told < 2; ++look) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_EQ(told, 2U);
  EXPECT_FALSE(journal_->announce(names_of({kRoot, "a"}), [] { FAIL(); }));
  // Not announced: begin() waits by itself.
  change(names_of({kRoot, "c"}), 1);
  EXPECT_FALSE(journal_->announce(names_of({kRoot, "c"}), [] { FAIL(); }));
  EXPECT_EQ(marked(), (Names{"a", "b", "c"}));
}

TEST_F(MarkJournalTest, ADirectoryThatIsRemovedTakesItsMarksWithIt) {
  journal_->follow(made(10, {kRoot, "d"}));
  change(names_of({object(10), "f"}), 1);
  change(names_of({kRoot, "d"}), 2);
  journal_->follow(
      RemoveDirectory{.object = object(10), .where = {kRoot, "d"}, .parent_after = {}});
  EXPECT_FALSE(place_of(10).parent);
  journal_->clear_through({0});
  journal_->clear_through({2});
  EXPECT_TRUE(marked().empty());
}

TEST_F(MarkJournalTest, G1AnUnknownDirectoryMeansEverything) {
  change(names_of({object(99), "f"}), 1);
  EXPECT_TRUE(content().everything);
  journal_->clear_through({1});
  EXPECT_FALSE(content().everything);
}

TEST_F(MarkJournalTest, G1ADirectoryThatMayHaveMovedIsUnknown) {
  journal_->follow(made(10, {kRoot, "d"}));
  Footprint rename;
  rename.object(object(10)).entry({kRoot, "d"}).entry({kRoot, "elsewhere"});
  {
    const MarkJournal::Held held = journal_->begin(rename);
    journal_->lose_places(rename, {1});
  }
  EXPECT_TRUE(content().everything);
  journal_->clear_through({1});
  EXPECT_FALSE(content().everything);
  const MarkJournal::Held kept = journal_->keep({object(10), "f"}, {});
  EXPECT_TRUE(content().everything);
  journal_->follow(moved(10, {kRoot, "d"}, {kRoot, "elsewhere"}));
  change(change_of({object(10), "g"}, 5), 2);
  EXPECT_EQ(place_of(10), (Location{kRoot, "elsewhere"}));
}

TEST_F(MarkJournalTest, TheRootHasAMarkOfItsOwn) {
  Footprint footprint;
  footprint.object(kRoot).change(Footprint::Change::kObject).name_unknown();
  change(footprint, 1);
  ASSERT_EQ(content().marks.size(), 1U);
  EXPECT_EQ(content().marks[0], (JournalMark{{kRoot, ""}, kRoot, false}));
  EXPECT_FALSE(content().everything);
}

TEST_F(MarkJournalTest, G1TooManyMarksBecomeOneOnEverything) {
  create({}, 3);
  for (const char* name : {"a", "b", "c"}) change(names_of({kRoot, name}), 3);
  for (const char* name : {"d", "e"}) change(names_of({kRoot, name}), 5);
  EXPECT_TRUE(content().everything);
  // What came before is durable; what is under the mark on everything is not.
  journal_->clear_through({4});
  EXPECT_TRUE(content().everything);
  change(names_of({kRoot, "f"}), 6);
  journal_->clear_through({5});
  EXPECT_FALSE(content().everything);
  EXPECT_EQ(marked(), Names{"f"});
}

TEST_F(MarkJournalTest, G1WhatIsKeptStaysUntilItIsDurable) {
  JournalContent kept;
  kept.places = {{object(10), {kRoot, "d"}}};
  kept.marks = {{{object(10), "f"}, object(5), false}};
  create(kept);
  EXPECT_EQ(marked(), Names{"f"});
  EXPECT_EQ(place_of(10), (Location{kRoot, "d"}));
  journal_->clear_through({0});
  EXPECT_TRUE(marked().empty());
}

/// As a power cut leaves it, or a kill in the midst of a write: the marks before are all there.
/// A stop that leaves threads behind is followed by another session in the same place.
TEST_F(MarkJournalTest, G1ARetiredJournalLeavesTheFileToTheNextSession) {
  change(names_of({kRoot, "old"}), 1);
  const std::shared_ptr<MarkJournal> old = journal_;
  old->retire();
  owner_.nonce = "n2";
  create();
  change(names_of({kRoot, "new"}), 1);
  old->clear_through({100});
  EXPECT_EQ(content().owner.nonce, "n2");
  EXPECT_EQ(marked(), Names{"new"});
  journal_->clear_through({100});
  EXPECT_EQ(content().owner.nonce, "n2");
  EXPECT_TRUE(marked().empty());
}

/// What a killed session has begun to write is not what the next one writes into.
TEST_F(MarkJournalTest, G1WhatIsLeftOfAnUnfinishedFileIsNotWrittenTo) {
  const fs::path fresh = base_ / "pair.marks.new";
  std::ofstream(fresh) << "left";
  const UniqueFd left(::open(fresh.c_str(), O_RDONLY | O_CLOEXEC));
  change(names_of({kRoot, "a"}), 1);
  journal_->clear_through({100});
  std::array<char, 8> bytes{};
  EXPECT_EQ(::pread(left.get(), bytes.data(), bytes.size(), 0), 4);
  EXPECT_TRUE(marked().empty());
}

}  // namespace
}  // namespace mirrorfs::journal
