// What becomes of a marked entry.
#include "engine/state/marks.h"

#include <gtest/gtest.h>

#include <memory>

namespace mirrorfs::state {
namespace {

ObjectId object(std::uint64_t inode) { return {.device = 1, .inode = inode, .birth_ns = 0}; }

const Location kEntry{object(1), "f"};

class MarksG1 : public ::testing::Test {
 protected:
  bool request(const Location& entry, std::uint64_t since) {
    return marks_.request(entry, {since}, Origin::kOperation);
  }
  void make_queued() { ASSERT_TRUE(request(kEntry, 5)); }
  MarkReading make_reading() {
    make_queued();
    return marks_.begin_reading(kEntry);
  }
  [[nodiscard]] MarkState state() const { return marks_.find(kEntry)->state; }
  Marks marks_;
};

TEST_F(MarksG1, AMarkKeepsItsFirstNumber) {
  EXPECT_TRUE(request(kEntry, 5));
  EXPECT_FALSE(request(kEntry, 9));
  EXPECT_EQ(marks_.find(kEntry)->since.value, 5U);
  EXPECT_FALSE(marks_.clean_through({5}));
  EXPECT_TRUE(marks_.clean_through({4}));
  marks_.clear(kEntry);
  EXPECT_EQ(marks_.size(), 0U);
  EXPECT_TRUE(marks_.clean_through({9}));
}

TEST_F(MarksG1, WhatWasReadIsDone) {
  const MarkReading reading = make_reading();
  ASSERT_TRUE(reading);
  EXPECT_FALSE(marks_.done(kEntry, reading));
  EXPECT_FALSE(marks_.is_marked(kEntry));
}

TEST_F(MarksG1, ARequestDuringTheReadingSurvivesIt) {
  const MarkReading reading = make_reading();
  EXPECT_FALSE(request(kEntry, 7)) << "its reconcile queues it again";
  EXPECT_EQ(state(), MarkState::kReadingAgain);
  EXPECT_TRUE(marks_.done(kEntry, reading));
  EXPECT_EQ(state(), MarkState::kQueued);
}

TEST_F(MarksG1, AReadingOfAnEarlierMarkDoesNotEndALaterOne) {
  const MarkReading reading = make_reading();
  marks_.forget_directory(object(1));
  make_queued();
  EXPECT_FALSE(marks_.done(kEntry, reading));
  EXPECT_TRUE(marks_.is_marked(kEntry));
  ASSERT_TRUE(marks_.begin_reading(kEntry));
  EXPECT_FALSE(marks_.done(kEntry, reading));
  EXPECT_TRUE(marks_.is_marked(kEntry));
}

TEST_F(MarksG1, AnAbandonedReadingIsReadAgain) {
  const MarkReading reading = make_reading();
  marks_.abandon_reading(kEntry, reading);
  EXPECT_EQ(state(), MarkState::kQueued);
  EXPECT_FALSE(marks_.done(kEntry, reading));
  EXPECT_TRUE(marks_.is_marked(kEntry));
}

TEST_F(MarksG1, AWalkTakesOnlyMarksFromBeforeIt) {
  make_queued();
  const std::uint64_t before = marks_.requests();
  ASSERT_TRUE(request({object(1), "later"}, 6));
  marks_.walked(object(1), before);
  EXPECT_FALSE(marks_.is_marked(kEntry));
  EXPECT_TRUE(marks_.is_marked({object(1), "later"}));
}

TEST_F(MarksG1, AMarkAskedForAgainDuringAWalkSurvivesIt) {
  make_queued();
  const std::uint64_t before = marks_.requests();
  EXPECT_FALSE(request(kEntry, 6));
  marks_.walked(object(1), before);
  EXPECT_TRUE(marks_.is_marked(kEntry));
}

TEST_F(MarksG1, ForgettingADirectoryForgetsItsEntries) {
  make_queued();
  ASSERT_TRUE(request({object(2), "c"}, 1));
  marks_.forget_directory(object(1));
  EXPECT_EQ(marks_.size(), 1U);
  EXPECT_FALSE(marks_.clean_through({1}));
  EXPECT_TRUE(marks_.clean_through({0}));
}

TEST_F(MarksG1, FailuresAreNamedWithTheirCauseAndDueLater) {
  make_queued();
  const auto now = Clock::now();
  EXPECT_FALSE(marks_.failed(kEntry, {}, "no space", now + std::chrono::hours(1)));
  EXPECT_EQ(marks_.failing(), 1U);
  EXPECT_EQ(marks_.waiting_count(), 1U);
  EXPECT_TRUE(marks_.due(now).empty());
  EXPECT_EQ(marks_.due(now + std::chrono::hours(2)).size(), 1U);
  ASSERT_EQ(marks_.failures(10).size(), 1U);
  EXPECT_EQ(marks_.failures(10)[0].second, "no space");
  EXPECT_TRUE(request(kEntry, 9)) << "queued for its next reconcile";
  EXPECT_EQ(marks_.waiting_count(), 0U);
  EXPECT_EQ(marks_.failing(), 1U) << "the cause holds until a reconcile succeeds";
}

TEST_F(MarksG1, AFailureWithARequestMeanwhileIsQueuedAtOnce) {
  const MarkReading reading = make_reading();
  EXPECT_FALSE(request(kEntry, 7));
  EXPECT_FALSE(marks_.failed(kEntry, {}, "of another attempt", Clock::now()));
  EXPECT_EQ(state(), MarkState::kReadingAgain);
  EXPECT_TRUE(marks_.failed(kEntry, reading, {}, Clock::now()));
  EXPECT_EQ(state(), MarkState::kQueued);
}

TEST_F(MarksG1, AMarkThatIsKeptDoesNotStandForWhatMayBeCleared) {
  make_queued();
  EXPECT_TRUE(request({object(1), "g"}, 9));
  ASSERT_EQ(marks_.first_not_kept()->value, 5U);
  const auto kept = std::make_shared<int>();
  marks_.keep(kEntry, kept);
  marks_.keep(kEntry, std::make_shared<int>());
  EXPECT_EQ(kept.use_count(), 2) << "the first is kept";
  ASSERT_EQ(marks_.first_not_kept()->value, 9U);
  EXPECT_FALSE(marks_.clean_through({5})) << "it is a mark all the same";
  marks_.clear(kEntry);
  EXPECT_EQ(kept.use_count(), 1);
  marks_.forget_directory(object(1));
  EXPECT_FALSE(marks_.first_not_kept());
}

}  // namespace
}  // namespace mirrorfs::state
