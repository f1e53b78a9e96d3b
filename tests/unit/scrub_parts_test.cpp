// The scrub's parts by themselves: its pace, its record, lists of names, requests for a second
// look.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/journal/scrub_record.h"
#include "engine/live/scrub_pace.h"
#include "engine/objects/listing.h"
#include "engine/ring/ring.h"
#include "fs/control/examine_json.h"
#include "mirrorfs/unique_fd.h"
#include "temporary_directory.h"

namespace mirrorfs {
namespace {

using namespace std::chrono_literals;
using live::ScrubPace;
using Names = std::vector<std::string>;

/// How long a pass takes of which each step is so much work.
double seconds_of_pass(ScrubPace& pace, std::uint64_t work, std::uint64_t step) {
  const ScrubPace::Clock::time_point start{};
  ScrubPace::Clock::time_point now = start;
  for (std::uint64_t done = 0; done < work; done += step) now = std::max(now, pace.plan(step, now));
  return std::chrono::duration<double>(now - start).count();
}

TEST(ScrubPace, APassTakesAboutItsPeriod) {
  ScrubPace pace;
  pace.set_period(1000s);
  pace.begin(1 << 30, 0, {});
  EXPECT_NEAR(seconds_of_pass(pace, 1 << 30, 1 << 20), 900, 10);
}

TEST(ScrubPace, WhatWasDoneBeforeIsNotDoneAgain) {
  ScrubPace pace;
  pace.set_period(1000s);
  pace.begin(1 << 30, 1 << 29, {});
  EXPECT_NEAR(seconds_of_pass(pace, 1 << 29, 1 << 20), 450, 10);
}

TEST(ScrubPace, MoreThanExpectedTakesLittleLonger) {
  ScrubPace pace;
  pace.set_period(1000s);
  pace.begin(1 << 20, 0, {});
  EXPECT_LT(seconds_of_pass(pace, 1 << 30, 1 << 20), 8000) << "not a thousand times the period";
}

TEST(ScrubPace, LostTimeIsNotMadeUpFor) {
  ScrubPace pace;
  pace.set_period(1000s);
  pace.begin(1 << 30, 0, {});
  const ScrubPace::Clock::time_point later = ScrubPace::Clock::time_point{} + 600s;
  ScrubPace::Clock::time_point when = later;
  for (int i = 0; i < 100; ++i) when = pace.plan(1 << 20, later);
  EXPECT_GT(when - later, 80s) << "a burst after a pause";
}

TEST(ScrubRecord, ComesBackAsItWasWritten) {
  const testing::TemporaryDirectory home;
  const UniqueFd state(::open(home.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const journal::ScrubRecord written{.last_verify = 1,
                                     .last_began = 2,
                                     .last_differences = 3,
                                     .last_work = 4,
                                     .under_way = true,
                                     .position = "a/\xff%/b",
                                     .objects = 5,
                                     .bytes = 6,
                                     .differences = 7,
                                     .work = 8};
  ASSERT_TRUE(journal::write_scrub_record(state.get(), "pair", written));
  const auto read = journal::read_scrub_record(state.get(), "pair");
  EXPECT_EQ(read.last_verify, 1);
  EXPECT_EQ(read.last_began, 2);
  EXPECT_EQ(read.last_differences, 3U);
  EXPECT_EQ(read.last_work, 4U);
  EXPECT_TRUE(read.under_way);
  EXPECT_EQ(read.position, written.position);
  EXPECT_EQ(read.objects + read.bytes + read.differences + read.work, 26U);
}

TEST(ScrubRecord, WhatCannotBeReadIsNoRecord) {
  const testing::TemporaryDirectory home;
  std::ofstream(home.path() / "pair.scrub") << "{\"last_verify\": \"yesterday\"}";
  const UniqueFd state(::open(home.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  EXPECT_EQ(journal::read_scrub_record(state.get(), "pair").last_verify, 0);
  EXPECT_EQ(journal::read_scrub_record(state.get(), "other").last_verify, 0);
}

/// Every name once, whatever the size of the lists, and those of both sides together.
TEST(ListSome, ListsAllNamesInPieces) {
  const testing::TemporaryDirectory home;
  Names all;
  for (const char* side : {"s", "d"}) std::filesystem::create_directory(home.path() / side);
  for (int i = 0; i < 100; ++i) {
    const std::string name = "n" + std::to_string(i);
    if (i % 3 != 0) std::ofstream(home.path() / "s" / name);
    if (i % 5 != 0) std::ofstream(home.path() / "d" / name);
    if (i % 15 != 0) all.push_back(name);
  }
  std::ranges::sort(all);
  const UniqueFd ours(::open((home.path() / "s").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const UniqueFd theirs(::open((home.path() / "d").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  auto ring = ring::Ring::create();
  ASSERT_TRUE(ring);
  for (const std::size_t most : {1U, 7U, 99U, 1000U}) {
    Names listed;
    std::string from;
    do {
      auto some =
          (*ring)->run_task(objects::list_some(**ring, ours.get(), theirs.get(), from, most));
      ASSERT_TRUE(some);
      EXPECT_LE(some->source.size(), most);
      std::ranges::set_union(some->source, some->replica, std::back_inserter(listed));
      from = some->next;
    } while (!from.empty());
    EXPECT_EQ(listed, all) << most;
  }
}

TEST(ExamineJson, CarriesAnyNumberOfAnyPaths) {
  ExamineRequest request{.paths = {}, .full = true, .repair = true, .patience = 1500ms};
  for (int i = 0; i < 3000; ++i) request.paths.push_back(std::string(200, 'x') + std::to_string(i));
  request.paths.push_back("a\xff\n/b");
  request.paths.push_back("");
  Names arrived;
  while (arrived.size() < request.paths.size()) {
    const auto body = control::examine_json(request, arrived.size());
    EXPECT_LT(body.dump().size(), 64U << 10);
    const auto read = control::examine_request_from(nlohmann::json::parse(body.dump()));
    ASSERT_TRUE(read);
    ASSERT_FALSE(read->paths.empty());
    EXPECT_TRUE(read->full && read->repair);
    EXPECT_EQ(read->patience, 1500ms);
    arrived.insert(arrived.end(), read->paths.begin(), read->paths.end());
  }
  EXPECT_EQ(arrived, request.paths);
}

TEST(ExamineJson, CarriesFindings) {
  const std::vector<Examined> findings = {{Finding::kEqual, ""},
                                          {Finding::kDiffers, "content"},
                                          {Finding::kKnown, "mode"},
                                          {Finding::kBusy, "size"},
                                          {Finding::kFailed, "open 'x\xff'"}};
  const auto read = control::findings_from(control::findings_json(findings));
  ASSERT_EQ(read.size(), findings.size());
  for (std::size_t at = 0; at < read.size(); ++at) {
    EXPECT_EQ(read[at].finding, findings[at].finding);
    EXPECT_EQ(read[at].what, findings[at].what);
  }
  EXPECT_FALSE(control::examine_request_from({{"request", "examine"}}));
}

}  // namespace
}  // namespace mirrorfs
