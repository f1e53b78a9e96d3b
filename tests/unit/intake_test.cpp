// Where operations enter the engine: numbers, intents, the bound on the queue, what is under way.
#include "engine/stream/intake.h"

#include <gtest/gtest.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace mirrorfs::stream {
namespace {

ObjectId object(std::uint64_t inode) { return {.device = 1, .inode = inode, .birth_ns = 0}; }

Footprint file_footprint(const std::string& name = "f", std::uint64_t parent = 1) {
  return std::move(Footprint().object(object(3)).entry({object(parent), name}));
}

Write write_of(std::size_t size) {
  const std::vector<std::byte> bytes(size);
  return {.object = object(3),
          .where = Location{object(1), "f"},
          .offset = 0,
          .data = Payload(bytes),
          .after = {}};
}

SequenceNumber record(Intake& intake, Operation operation, Footprint footprint = file_footprint()) {
  Intent intent = intake.begin(0, std::move(footprint));
  const SequenceNumber number = intent.record(std::move(operation));
  intent.complete();
  return number;
}

std::vector<Recorded> take_all(Intake& intake) {
  std::vector<Recorded> taken;
  for (auto some = intake.take(3); !some.empty(); some = intake.take(3)) {
    EXPECT_LE(some.size(), 3U);
    for (Recorded& one : some) taken.push_back(std::move(one));
  }
  return taken;
}

TEST(Intake, NumbersFollowTheOrderOfRecording) {
  Intake intake(1 << 20, WhenFull::kWait);
  for (std::uint64_t i = 1; i <= 5; ++i) EXPECT_EQ(record(intake, Barrier{}).value, i);
  const auto taken = take_all(intake);
  ASSERT_EQ(taken.size(), 5U);
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(taken[i].number.value, i + 1);
}

TEST(Intake, WakesOnlyForTheFirst) {
  Intake intake(1 << 20, WhenFull::kWait);
  int wakes = 0;
  intake.on_work([&] { ++wakes; });
  record(intake, Barrier{});
  record(intake, Barrier{});
  EXPECT_EQ(wakes, 1);
  (void)intake.take(1);
  record(intake, Barrier{});
  EXPECT_EQ(wakes, 2);
}

TEST(Intake, HeldWakesComeForAQueueThatFillsUpOnly) {
  const std::size_t limit = 16 * mirrorfs::stream::kOperationCost;
  Intake intake(limit, WhenFull::kWait);
  int wakes = 0;
  intake.on_work([&] { ++wakes; });
  record(intake, Barrier{});
  intake.hold_wakes();
  (void)intake.take(1);
  record(intake, Barrier{});
  EXPECT_EQ(wakes, 1);
  for (int i = 0; i < 8; ++i) record(intake, Barrier{});
  EXPECT_EQ(wakes, 2);
  (void)take_all(intake);
  record(intake, Barrier{});
  EXPECT_EQ(wakes, 3) << "what was taken is still queued, so that the queue is as full as before";
}

TEST(Intake, NothingIsLeftBehindWhenWakesAreResumed) {
  Intake intake(1 << 20, WhenFull::kWait);
  int wakes = 0;
  intake.on_work([&] { ++wakes; });
  intake.hold_wakes();
  record(intake, Barrier{});
  (void)intake.take(1);
  record(intake, Barrier{});
  EXPECT_EQ(wakes, 1);
  intake.resume_wakes();
  EXPECT_EQ(take_all(intake).size(), 1U);
  record(intake, Barrier{});
  EXPECT_EQ(wakes, 2);
}

TEST(Intake, WakeThatFindsNoMemoryIsTriedAgain) {
  Intake intake(1 << 20, WhenFull::kWait);
  int wakes = 0;
  intake.on_work([&] {
    if (++wakes == 1) throw std::bad_alloc();
  });
  record(intake, Barrier{});
  record(intake, Barrier{});
  EXPECT_EQ(wakes, 2);
}

TEST(IntakeG1, IntentThatEndsWithoutAWordIsUnknownAtItsPlace) {
  Intake intake(1 << 20, WhenFull::kWait);
  record(intake, Barrier{});
  {
    const Intent abandoned = intake.begin(0, file_footprint());
  }
  record(intake, Barrier{});
  const auto taken = take_all(intake);
  ASSERT_EQ(taken.size(), 3U);
  EXPECT_TRUE(std::holds_alternative<Unknown>(taken[1].operation));
  EXPECT_EQ(taken[1].number.value, 2U);
  ASSERT_EQ(taken[1].footprint->entries().size(), 1U);
  EXPECT_EQ(taken[1].footprint->entries()[0], (Location{object(1), "f"}));
  EXPECT_TRUE(intake.all_recorded(intake.look().number));
}

TEST(IntakeG1, ExceptionAfterTheFirstOfSeveralOperationsLeavesAnUnknown) {
  Intake intake(1 << 20, WhenFull::kWait);
  try {
    Intent intent = intake.begin(0, file_footprint());
    intent.record(write_of(1));
    throw std::bad_alloc();
  } catch (const std::bad_alloc&) {
  }
  const auto taken = take_all(intake);
  ASSERT_EQ(taken.size(), 2U);
  EXPECT_TRUE(std::holds_alternative<Unknown>(taken[1].operation));
}

TEST(Intake, IntentThatChangedNothingLeavesNothing) {
  Intake intake(1 << 20, WhenFull::kWait);
  ASSERT_TRUE(intake.admit(5000));
  Intent intent = intake.begin(5000, file_footprint());
  intent.nothing_changed();
  EXPECT_TRUE(take_all(intake).empty());
  EXPECT_EQ(intake.queued_bytes(), 0U);
}

TEST(IntakeG5, WhatAnOperationTakesIsCountedAndGivenBack) {
  Intake intake(1 << 20, WhenFull::kWait);
  const std::string name(200, 'n');
  Write write = write_of(10'000);
  write.where->name = name;
  ASSERT_TRUE(intake.admit(1));
  Intent intent = intake.begin(1, file_footprint(name));
  intent.record(std::move(write));
  intent.complete();
  const auto taken = take_all(intake);
  ASSERT_EQ(taken.size(), 1U);
  EXPECT_GE(taken[0].bytes, sizeof(Recorded) + 10'000 + 2 * name.size());
  EXPECT_EQ(intake.queued_bytes(), taken[0].bytes);
  intake.give_back(taken[0].bytes);
  EXPECT_EQ(intake.queued_bytes(), 0U);
}

TEST(IntakeG5, WritersAreLetInInTheirOrderWhenThereIsRoom) {
  Intake intake(100'000, WhenFull::kWait);
  ASSERT_TRUE(intake.admit(90'000));
  EXPECT_FALSE(intake.admit(50'000)) << "admitted past queue-size";
  std::vector<int> order;
  EXPECT_TRUE(intake.admit_later(50'000, [&] { order.push_back(1); }));
  EXPECT_TRUE(intake.admit_later(40'000, [&] { order.push_back(2); }));
  EXPECT_FALSE(intake.admit(10)) << "overtakes those who wait";
  EXPECT_TRUE(order.empty());
  intake.give_back(90'000);
  EXPECT_EQ(order, (std::vector{1, 2}));
  EXPECT_LE(intake.highest_queued_bytes(), 100'000U);
}

TEST(IntakeG5, WaitThatIsCancelledLetsOthersPass) {
  Intake intake(100'000, WhenFull::kWait);
  ASSERT_TRUE(intake.admit(90'000));
  bool first = false, second = false;
  const WaitId large = intake.admit_later(100'000, [&] { first = true; });
  intake.admit_later(5'000, [&] { second = true; });
  intake.cancel(large);
  EXPECT_FALSE(first);
  EXPECT_TRUE(second);
}

TEST(IntakeG5, AnOperationLargerThanTheQueuePassesWhenItIsEmpty) {
  Intake intake(1000, WhenFull::kWait);
  EXPECT_TRUE(intake.admit(1 << 20));
  EXPECT_FALSE(intake.admit(1));
}

TEST(IntakeG5, NobodyWaitsWhereWhatOverflowsIsFolded) {
  Intake intake(10'000, WhenFull::kFold);
  EXPECT_TRUE(intake.admit(1 << 20));
  EXPECT_TRUE(intake.admit(1 << 20));
}

TEST(IntakeG5, PastTheBoundOnlyNamesAreKeptInOneElement) {
  Intake intake(100'000, WhenFull::kFold);
  record(intake, write_of(90'000));
  const std::uint64_t before = intake.queued_bytes();
  record(intake, write_of(90'000));
  record(intake, Barrier{}, {});
  {
    const Intent abandoned = intake.begin(0, file_footprint("unknown", 2));
  }
  EXPECT_EQ(intake.queued_bytes(), before);
  auto taken = take_all(intake);
  ASSERT_EQ(taken.size(), 2U);
  ASSERT_TRUE(taken[1].overflow);
  EXPECT_EQ(taken[1].number.value, 4U);
  EXPECT_EQ(taken[1].count, 3U);
  const auto& directories = taken[1].overflow->directories();
  ASSERT_EQ(directories.size(), 2U);
  EXPECT_EQ(directories.at(object(1)).names, (std::unordered_set<std::string>{"f"}));
  EXPECT_EQ(directories.at(object(2)).names, (std::unordered_set<std::string>{"unknown"}));
  EXPECT_EQ(intake.operations_folded(), 3U);

  record(intake, write_of(1));
  EXPECT_TRUE(take_all(intake).at(0).overflow) << "the queue is still more than half full";
  intake.give_back(taken[0].bytes);
  record(intake, write_of(1));
  EXPECT_FALSE(take_all(intake).at(0).overflow);
}

TEST(IntakeG5, AnOverflowIsBounded) {
  Overflow overflow;
  for (int i = 0; i < 1000; ++i) overflow.add(file_footprint(std::to_string(i)), Barrier{});
  EXPECT_TRUE(overflow.directories().at(object(1)).whole);
  EXPECT_TRUE(overflow.directories().at(object(1)).names.empty());
  EXPECT_FALSE(overflow.everything());
  for (std::uint64_t i = 0; i < 5000; ++i) overflow.add(file_footprint("f", i), Barrier{});
  EXPECT_TRUE(overflow.everything());
  EXPECT_TRUE(overflow.directories().empty());
}

TEST(IntakeG1, AnOverflowOfWhatHasAnUnknownNameIsEverything) {
  Overflow overflow;
  overflow.add(Footprint().object(object(3)), write_of(0));
  EXPECT_FALSE(overflow.everything()) << "it has no name any more";
  overflow.add(Footprint().object(object(3)).name_unknown(), write_of(0));
  EXPECT_TRUE(overflow.everything());
}

TEST(IntakeG1, WhatIsUnderWayAtALookMayBeInWhatWasRead) {
  Intake intake(100'000, WhenFull::kWait);
  Intent before = intake.begin(0, file_footprint());
  Intent fails = intake.begin(0, file_footprint());
  const Look look = intake.look();
  EXPECT_TRUE(look.under_way);
  EXPECT_FALSE(intake.all_recorded(look.number));
  record(intake, Barrier{});  // begun after the look, recorded first
  before.record(Barrier{});
  before.complete();
  EXPECT_FALSE(intake.all_recorded(look.number));
  fails.nothing_changed();
  EXPECT_TRUE(intake.all_recorded(look.number));
  const auto taken = take_all(intake);
  ASSERT_EQ(taken.size(), 2U);
  EXPECT_GE(taken[0].begun, look.number) << "cannot have been seen";
  EXPECT_LT(taken[1].begun, look.number) << "may have been seen, though its number is higher";
  EXPECT_FALSE(intake.look().under_way);
}

TEST(Intake, CloseLetsWaitingWritersGo) {
  Intake intake(1000, WhenFull::kWait);
  ASSERT_TRUE(intake.admit(900));
  bool let_in = false;
  intake.admit_later(900, [&] { let_in = true; });
  intake.close();
  EXPECT_TRUE(let_in);
  EXPECT_TRUE(intake.admit(900));
}

}  // namespace
}  // namespace mirrorfs::stream
