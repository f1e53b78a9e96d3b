// The same random calls on the mount and in a bare directory on the source's filesystem, one after
// the other, by root and by others: each has the same result, error, data and attributes. In the
// end mount, source and replica hold the same, and so does the bare directory.
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <deque>
#include <filesystem>
#include <functional>
#include <string>

#include "mirror_mount.h"
#include "model_side.h"
#include "tests/fuzz/fuzz_time.h"
#include "tree_compare.h"

namespace mirrorfs::test {
namespace {

using testing::AssertionFailure;
using testing::AssertionResult;
using testing::AssertionSuccess;

constexpr int kCallsInRound = 2500;

/// Whether the change gives what stands at the path another time than it had.
bool moves_time(const Path& path, const std::function<void()>& change) {
  const timespec before = stat_of(path).st_ctim;
  change();
  const timespec after = stat_of(path).st_ctim;
  return before.tv_nsec != after.tv_nsec || before.tv_sec != after.tv_sec;
}

TellsTimes times_told_in(const Path& folder) {
  const Path directory = folder / "clock", file = directory / "file", link = directory / "link";
  TellsTimes told{.always = true, .by_names = true};
  for (int i = 0; i < 20; ++i) {
    make_directory(directory);
    write_file(file, "");
    told.always = told.always && moves_time(file, [&] { change_mode(file, 0600); });
    change_mode(directory, 0700);
    told.by_names = told.by_names && moves_time(directory, [&] { make_link(file, link); });
    change_mode(directory, 0755);
    told.by_names = told.by_names && moves_time(directory, [&] { unlink_file(link); });
    std::filesystem::remove_all(directory);
  }
  told.by_names = told.by_names && told.always;
  return told;
}

class ModelFuzz : public testing::TestWithParam<Filesystem> {
 protected:
  void SetUp() override {
    MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
    ::signal(SIGPIPE, SIG_IGN);  // of FIFOs without a reader
  }

  /// A fresh folder for a sequence, so deep that its symlinks and ".." lead to nothing but folders
  /// as fresh: what they reach, and change, is the same on both sides.
  static Path make_depths(const Path& top) {
    Path root = top;
    make_directory(root);
    change_mode(root, 0777);
    for (int depth = 0; depth < 8; ++depth) {
      root /= "below";
      make_directory(root);
      change_mode(root, 0777);
    }
    return root;
  }

  /// One sequence, in a fresh folder of both.
  static AssertionResult run_round(const Path& mounted, const Path& bare, std::uint64_t seed) {
    const TellsTimes tells_times = times_told_in(bare);
    Side mount(make_depths(mounted), tells_times);
    Side model(make_depths(bare / mounted.filename()), tells_times);
    CallMaker maker(seed);
    std::deque<std::string> recent;
    for (int number = 0; number < kCallsInRound; ++number) {
      const Call call = maker.next();
      const Outcome expected = model.act(call);
      const Outcome actual = mount.act(call);
      recent.push_back(fmt::format("{}: {} -> {}", number, describe(call), describe(expected)));
      if (recent.size() > 8) recent.pop_front();
      if (actual == expected) continue;
      AssertionResult failure = AssertionFailure();
      failure << "the mount answers: " << describe(actual) << "\nthe bare filesystem, at last:\n";
      for (const std::string& line : recent) failure << line << "\n";
      return failure;
    }
    return AssertionSuccess();
  }

  static Snapshot timeless(Snapshot snapshot) {
    for (auto& [path, facts] : snapshot) facts.erase("mtime");
    return snapshot;
  }
};

TEST_P(ModelFuzz, TheMountAnswersAsTheBareFilesystem) {
  const auto end = std::chrono::steady_clock::now() + fuzz::duration();
  MirrorMount mirror({.source = GetParam(),
                      .replica = GetParam(),
                      .options = {"-o", "suid,dev"},
                      .patience = std::chrono::seconds(90) + 2 * fuzz::duration()});
  const Path bare = mirror.source().parent_path() / "bare";
  make_directory(bare);
  mirror.start();
  std::uint64_t seed = fuzz::seed();
  do {
    SCOPED_TRACE(fmt::format("MIRRORFS_SEED={}", seed));
    const std::string round = fmt::format("round{}", seed);
    ASSERT_TRUE(run_round(mirror.mount(round), bare, seed));
    ASSERT_TRUE(mirror.identical());
    ASSERT_TRUE(mirror.mount_shows_source());
    const auto lines =
        differences(timeless(snapshot(mirror.mount(round))), timeless(snapshot(bare / round)));
    ASSERT_TRUE(lines.empty()) << lines.front();
    for (const Path& root : {mirror.mount(round), bare / round}) std::filesystem::remove_all(root);
    ++seed;
  } while (std::chrono::steady_clock::now() < end && !fuzz::seed_was_chosen());
  mirror.stop();
  EXPECT_TRUE(mirror.trees_equal());
}

INSTANTIATE_TEST_SUITE_P(G2, ModelFuzz,
                         testing::Values(Filesystem::kTmpfs, Filesystem::kExt4, Filesystem::kXfs,
                                         Filesystem::kBtrfs),
                         [](const auto& test) { return to_string(test.param); });

}  // namespace
}  // namespace mirrorfs::test
