// verify MNT: what is only on its way is no difference; what stays is, and is repaired.
#include "fs/ctl/live_verify.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace mirrorfs::ctl {
namespace {

using Paths = std::vector<std::string>;

VerifyReport report_of(const Paths& paths, std::uint64_t unlisted = 0) {
  VerifyReport report;
  for (const std::string& path : paths) report.differences.push_back({path, "content"});
  report.differences_total = paths.size() + unlisted;
  return report;
}

/// A daemon and its trees: what each comparison finds, and what each look at a path.
struct Trees {
  std::vector<VerifyReport> compared;
  std::map<std::string, std::vector<Finding>> looks;  ///< one after the other; then equal
  Paths marked = {};
  int waits = 0, waits_for_repair = 0;
  std::size_t comparisons = 0;

  LiveReport run(bool repair = false) {
    const LiveSteps steps{
        .wait = [this] { ++waits; },
        .verify = [this]() -> Result<VerifyReport> { return compared.at(comparisons++); },
        .examine = [this](const Paths& paths, bool to_repair) { return look(paths, to_repair); },
        .wait_for_repair = [this] { ++waits_for_repair; },
    };
    auto report = verify_live(steps, repair);
    EXPECT_TRUE(report);
    return *report;
  }

  std::vector<Examined> look(const Paths& paths, bool repair) {
    std::vector<Examined> found;
    for (const std::string& path : paths) {
      Examined one;
      if (auto& next = looks[path]; !next.empty()) {
        one = {next.front(), "content"};
        next.erase(next.begin());
      }
      if (repair && one.finding == Finding::kDiffers) marked.push_back(path);
      found.push_back(one);
    }
    return found;
  }
};

constexpr Finding kDiffers = Finding::kDiffers;

TEST(LiveVerify, OfEqualTreesComparesOnce) {
  Trees trees{.compared = {report_of({})}, .looks = {}};
  EXPECT_TRUE(trees.run().verify.identical());
  EXPECT_EQ(trees.comparisons, 1U);
  EXPECT_EQ(trees.waits, 1);
}

TEST(LiveVerify, ForgetsWhatWasOnlyInFlight) {
  Trees trees{.compared = {report_of({"a", "b", "c"})}, .looks = {{"a", {kDiffers}}}};
  EXPECT_TRUE(trees.run().verify.identical());
  EXPECT_EQ(trees.comparisons, 1U) << "only candidates are looked at again";
}

TEST(LiveVerify, ReportsWhatTheDaemonFindsTwice) {
  Trees trees{.compared = {report_of({"a", "real"})}, .looks = {{"real", {kDiffers, kDiffers}}}};
  const LiveReport report = trees.run();
  ASSERT_EQ(report.verify.differences.size(), 1U);
  EXPECT_EQ(report.verify.differences[0].path, "real");
  EXPECT_EQ(report.verify.differences_total, 1U);
  EXPECT_TRUE(trees.marked.empty()) << "nobody asked for a repair";
}

TEST(LiveVerify, TellsWhatIsBusyAndWhatIsKnownApart) {
  Trees trees{
      .compared = {report_of({"log", "owed", "real"})},
      .looks = {
          {"log", {Finding::kBusy}}, {"owed", {Finding::kKnown}}, {"real", {kDiffers, kDiffers}}}};
  const LiveReport report = trees.run();
  ASSERT_EQ(report.verify.differences.size(), 2U);
  EXPECT_EQ(report.verify.differences[0].path, "owed");
  EXPECT_NE(report.verify.differences[0].what.find("known"), std::string::npos);
  EXPECT_EQ(report.verify.differences[1].path, "real");
  EXPECT_EQ(report.busy, Paths{"log"});
}

TEST(LiveVerify, WhatIsOnlyBusyIsIdentical) {
  Trees trees{.compared = {report_of({"log"})}, .looks = {{"log", {Finding::kBusy}}}};
  const LiveReport report = trees.run();
  EXPECT_TRUE(report.verify.identical());
  EXPECT_EQ(report.busy, Paths{"log"});
}

TEST(LiveVerify, RepairsWhatDiffersAndSaysSo) {
  Trees trees{.compared = {report_of({"a", "real"})}, .looks = {{"real", {kDiffers, kDiffers}}}};
  const LiveReport report = trees.run(true);
  EXPECT_EQ(trees.marked, Paths{"real"});
  EXPECT_EQ(trees.waits_for_repair, 1);
  EXPECT_TRUE(report.verify.identical());
  ASSERT_EQ(report.repaired.size(), 1U);
  EXPECT_EQ(report.repaired[0].path, "real");
}

TEST(LiveVerify, SaysWhatARepairHasLeft) {
  Trees trees{
      .compared = {report_of({"good", "bad"})},
      .looks = {{"good", {kDiffers, kDiffers}}, {"bad", {kDiffers, kDiffers, Finding::kKnown}}}};
  const LiveReport report = trees.run(true);
  ASSERT_EQ(report.verify.differences.size(), 1U);
  EXPECT_EQ(report.verify.differences[0].path, "bad");
  ASSERT_EQ(report.repaired.size(), 1U);
  EXPECT_EQ(report.repaired[0].path, "good");
}

TEST(LiveVerify, ComparesAgainWhatAListCutShortMayHaveLeftOut) {
  Trees trees{.compared = {report_of({"a"}, 7), report_of({"b"}), report_of({})},
              .looks = {{"a", {kDiffers, kDiffers}}, {"b", {kDiffers, kDiffers}}}};
  const LiveReport report = trees.run(true);
  EXPECT_EQ(trees.comparisons, 2U);
  EXPECT_EQ(report.repaired.size(), 2U);
  EXPECT_TRUE(report.verify.identical());
}

TEST(LiveVerify, CountsWhatItDidNotList) {
  Trees trees{.compared = {report_of({"a"}, 7)}, .looks = {{"a", {kDiffers, kDiffers}}}};
  EXPECT_EQ(trees.run().verify.differences_total, 8U);
}

TEST(LiveVerify, HandsOnAFailure) {
  const LiveSteps steps{.wait = [] {},
                        .verify = []() -> Result<VerifyReport> { return fail(EIO, "statx", "x"); },
                        .examine = {},
                        .wait_for_repair = {}};
  EXPECT_FALSE(verify_live(steps, false));
}

}  // namespace
}  // namespace mirrorfs::ctl
