// G1: when an entry of which a call failed is equal for good.
#include <gmock/gmock.h>

#include <cerrno>

#include "engine/live/late_requests.h"

namespace mirrorfs::testing {
namespace {

using live::LateRequests;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;

constexpr LateRequests::Clock::time_point kStart{std::chrono::hours(1)};
const ObjectId kDirectory{.device = 1, .inode = 2};
const Location kEntry{kDirectory, "file"};
const Error kBroken{EIO, "fchmod", {}};

TEST(LateRequests, ALookIsRepeatedAsLongAsTheOutageLastedAndTheMargin) {
  LateRequests late(seconds(5));
  late.failed(kEntry, kBroken, kStart);
  EXPECT_TRUE(late.contains(kEntry));
  EXPECT_FALSE(late.any_waiting()) << "it was not equal yet";
  const auto due = kStart + seconds(10 + 10 + 5);
  EXPECT_EQ(late.look_again_at(kEntry, kStart + seconds(9), kStart + seconds(10)), due);
  EXPECT_TRUE(late.any_waiting());
  EXPECT_EQ(late.look_again_at(kEntry, due - milliseconds(1), due + seconds(1)), due)
      << "the reading was begun too early";
  EXPECT_EQ(late.look_again_at(kEntry, due, due + seconds(1)), std::nullopt);
  EXPECT_FALSE(late.contains(kEntry) || late.any_waiting());
}

TEST(LateRequests, OneThatFailsAgainBeginsAnew) {
  LateRequests late(seconds(5));
  late.failed(kEntry, kBroken, kStart);
  EXPECT_TRUE(late.look_again_at(kEntry, kStart + seconds(1), kStart + seconds(1)));
  late.failed(kEntry, kBroken, kStart + seconds(3));
  EXPECT_FALSE(late.any_waiting());
  EXPECT_EQ(late.look_again_at(kEntry, kStart + seconds(4), kStart + seconds(4)),
            kStart + seconds(4 + 4 + 5));
}

TEST(LateRequests, NothingComesLaterThanTheLongestWaitOfTcp) {
  LateRequests late(seconds(5));
  late.failed(kEntry, kBroken, kStart);
  const auto back = kStart + std::chrono::hours(3);
  EXPECT_EQ(late.look_again_at(kEntry, back, back), back + seconds(120 + 5));
}

TEST(LateRequests, AnAnswerIsNoOutageAndALocalFilesystemHasNone) {
  LateRequests late(seconds(5));
  late.failed(kEntry, {ENOSPC, "write", {}}, kStart);
  EXPECT_FALSE(late.contains(kEntry));
  LateRequests local(milliseconds(0));
  local.failed(kEntry, kBroken, kStart);
  EXPECT_FALSE(local.contains(kEntry));
}

TEST(LateRequests, GoWithTheirDirectory) {
  LateRequests late(seconds(5));
  late.failed(kEntry, kBroken, kStart);
  EXPECT_THAT(late.names_in(kDirectory), ElementsAre("file"));
  EXPECT_TRUE(late.look_again_at(kEntry, kStart, kStart));
  late.forget_directory(kDirectory);
  EXPECT_FALSE(late.contains(kEntry) || late.any_waiting());
}

}  // namespace
}  // namespace mirrorfs::testing
