// verify MNT: what is only on its way is no difference; what stays is.
#include "fs/ctl/live_verify.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>

#include "mirrorfs/unique_fd.h"
#include "temporary_directory.h"

namespace mirrorfs::ctl {
namespace {

VerifyReport report_of(const std::vector<std::string>& paths) {
  VerifyReport report;
  for (const std::string& path : paths) report.differences.push_back({path, "content"});
  report.differences_total = paths.size();
  return report;
}

struct Rounds {
  std::vector<std::vector<std::string>> found;  ///< per comparison
  std::vector<std::string> changing;
  int waits = 0;
  std::size_t comparisons = 0;

  LiveReport run() {
    const LiveSteps steps{
        .wait = [this] { ++waits; },
        .verify = [this]() -> Result<VerifyReport> { return report_of(found.at(comparisons++)); },
        .changed_since =
            [this](const std::string& path, timespec) {
              return std::ranges::find(changing, path) != changing.end();
            },
    };
    auto report = verify_live(steps);
    EXPECT_TRUE(report);
    return *report;
  }
};

TEST(LiveVerify, OfEqualTreesComparesOnce) {
  Rounds rounds{.found = {{}}, .changing = {}};
  EXPECT_TRUE(rounds.run().verify.identical());
  EXPECT_EQ(rounds.comparisons, 1U);
  EXPECT_EQ(rounds.waits, 1);
}

TEST(LiveVerify, ForgetsWhatALaterRoundDoesNotFind) {
  Rounds rounds{.found = {{"a", "b"}, {"c"}}, .changing = {}};
  EXPECT_TRUE(rounds.run().verify.identical());
  EXPECT_EQ(rounds.comparisons, 2U);
}

TEST(LiveVerify, ReportsWhatEveryRoundFinds) {
  Rounds rounds{.found = {{"a", "real"}, {"real", "b"}, {"real", "c"}}, .changing = {}};
  const LiveReport report = rounds.run();
  ASSERT_EQ(report.verify.differences.size(), 1U);
  EXPECT_EQ(report.verify.differences[0].path, "real");
  EXPECT_EQ(report.verify.differences_total, 1U);
  EXPECT_TRUE(report.unsettled.empty());
}

TEST(LiveVerify, SetsApartWhatNeverStandsStill) {
  Rounds rounds{.found = {{"log", "real"}, {"log", "real"}, {"log", "real"}}, .changing = {"log"}};
  const LiveReport report = rounds.run();
  ASSERT_EQ(report.verify.differences.size(), 1U);
  EXPECT_EQ(report.verify.differences[0].path, "real");
  EXPECT_EQ(report.unsettled, std::vector<std::string>{"log"});
}

TEST(LiveVerify, HandsOnAFailure) {
  const LiveSteps steps{.wait = [] {},
                        .verify = []() -> Result<VerifyReport> { return fail(EIO, "statx", "x"); },
                        .changed_since = {}};
  const auto report = verify_live(steps);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, EIO);
}

TEST(ChangedInTree, LooksAtTheObjectOrWhereItWouldStand) {
  const testing::TemporaryDirectory home;
  std::filesystem::create_directories(home.path() / "dir");
  std::ofstream(home.path() / "dir/file") << "x";
  const UniqueFd root(open(home.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const timespec past{1, 0};
  struct stat status{};
  ASSERT_EQ(stat((home.path() / "dir/file").c_str(), &status), 0);
  const timespec future{status.st_ctim.tv_sec + 1000, 0};
  for (const char* const path : {"dir/file", "dir/missing", "missing/too", "", "dir"}) {
    EXPECT_TRUE(changed_in_tree(root.get(), path, past)) << path;
    EXPECT_FALSE(changed_in_tree(root.get(), path, future)) << path;
  }
}

TEST(ChangedInTree, G7_DoesNotFollowALinkOutOfTheTree) {
  const testing::TemporaryDirectory home;
  std::filesystem::create_symlink("/proc", home.path() / "link");
  const UniqueFd root(open(home.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat status{};
  ASSERT_EQ(fstat(root.get(), &status), 0);
  // /proc/self has just come to be; the tree's own directory is older than the next second.
  const timespec next{status.st_ctim.tv_sec + 1000, 0};
  EXPECT_FALSE(changed_in_tree(root.get(), "link/self", next));
}

}  // namespace
}  // namespace mirrorfs::ctl
