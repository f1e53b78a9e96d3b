// Where operations enter the engine: numbers, the room in the queue, what is under way.
#include "engine/stream/intake.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace mirrorfs::stream {
namespace {

using namespace std::chrono_literals;

ObjectId object(std::uint64_t inode) { return {.device = 1, .inode = inode, .birth_ns = 0}; }

Write write_of(std::size_t size) {
  const std::vector<std::byte> bytes(size);
  return {.object = object(3),
          .where = Location{object(1), "f"},
          .offset = 0,
          .data = Payload(bytes),
          .after = {}};
}

TEST(Intake, NumbersFollowTheOrderOfRecording) {
  Intake intake(1 << 20, WhenFull::kWait);
  for (std::uint64_t i = 1; i <= 5; ++i) {
    EXPECT_EQ(intake.record(intake.admit(0), Barrier{}).value, i);
  }
  const auto taken = intake.take(100);
  ASSERT_EQ(taken.size(), 5U);
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(taken[i].number.value, i + 1);
  EXPECT_TRUE(intake.take(100).empty());
}

TEST(Intake, WakesOnlyForTheFirst) {
  Intake intake(1 << 20, WhenFull::kWait);
  int wakes = 0;
  intake.on_work([&] { ++wakes; });
  intake.record(intake.admit(0), Barrier{});
  intake.record(intake.admit(0), Barrier{});
  EXPECT_EQ(wakes, 1);
  (void)intake.take(100);
  intake.record(intake.admit(0), Barrier{});
  EXPECT_EQ(wakes, 2);
}

TEST(IntakeG5, WritersWaitWhenTheQueueIsFull) {
  Intake intake(100'000, WhenFull::kWait);
  const Admitted first = intake.admit(90'000);
  std::atomic<bool> admitted{false};
  std::thread writer([&] {
    const Admitted second = intake.admit(50'000);
    admitted = true;
    intake.withdraw(second);
  });
  std::this_thread::sleep_for(30ms);
  EXPECT_FALSE(admitted) << "admitted past queue-size";
  intake.withdraw(first);
  writer.join();
  EXPECT_TRUE(admitted);
  EXPECT_LE(intake.highest_queued_bytes(), 100'000U);
  EXPECT_EQ(intake.queued_bytes(), 0U);
}

TEST(IntakeG5, AnOperationLargerThanTheQueuePassesWhenItIsEmpty) {
  Intake intake(1000, WhenFull::kWait);
  const Admitted admitted = intake.admit(1 << 20);
  EXPECT_GT(admitted.bytes, std::size_t{1} << 20);
  intake.withdraw(admitted);
}

TEST(IntakeG5, CatchUpDropsThePayloadAndSaysSo) {
  Intake intake(100'000, WhenFull::kDropPayload);
  intake.record(intake.admit(90'000), write_of(90'000));
  intake.record(intake.admit(90'000), write_of(90'000));
  const auto taken = intake.take(100);
  ASSERT_EQ(taken.size(), 2U);
  EXPECT_FALSE(taken[0].payload_lost);
  EXPECT_TRUE(taken[1].payload_lost);
  EXPECT_EQ(std::get<Write>(taken[1].operation).data.size(), 0U);
  EXPECT_EQ(intake.queued_bytes(), taken[0].bytes + taken[1].bytes);
  EXPECT_EQ(intake.payloads_lost(), 1U);
}

TEST(IntakeG1, WhatIsUnderWayAtALookMayBeInWhatWasRead) {
  Intake intake(100'000, WhenFull::kWait);
  const Admitted before = intake.admit(0);
  const Admitted fails = intake.admit(0);
  const Look look = intake.look();
  EXPECT_TRUE(look.under_way);
  EXPECT_FALSE(intake.all_recorded(look.number));
  intake.record(intake.admit(0), Barrier{});  // begun after the look, recorded first
  intake.record(before, Barrier{});
  EXPECT_FALSE(intake.all_recorded(look.number));
  intake.withdraw(fails);
  EXPECT_TRUE(intake.all_recorded(look.number));
  const auto taken = intake.take(100);
  ASSERT_EQ(taken.size(), 2U);
  EXPECT_GE(taken[0].begun, look.number) << "cannot have been seen";
  EXPECT_LT(taken[1].begun, look.number) << "may have been seen, though its number is higher";
  EXPECT_FALSE(intake.look().under_way);
}

TEST(Intake, CloseLetsWaitingWritersGo) {
  Intake intake(1000, WhenFull::kWait);
  (void)intake.admit(900);
  std::thread writer([&] { (void)intake.admit(900); });
  std::this_thread::sleep_for(10ms);
  intake.close();
  writer.join();
}

}  // namespace
}  // namespace mirrorfs::stream
