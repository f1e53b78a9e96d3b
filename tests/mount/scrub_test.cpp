// The replica is damaged by others while it is mirrored: verify finds it and repairs it through the
// daemon, the scrub does so unasked, and neither is deceived by what is on its way (G1, G2).
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "calls.h"
#include "mirror_mount.h"

namespace mirrorfs::test {
namespace {

using namespace std::chrono_literals;

class Scrub : public testing::Test {
 protected:
  void SetUp() override { MIRRORFS_SKIP_UNLESS_MOUNTS_WORK(); }
};

/// Other bytes under the same size and times.
void rot(const Path& file) {
  const struct stat before = stat_of(file);
  write_at(file, static_cast<std::uint64_t>(before.st_size) / 2, "#");
  set_times(file, before.st_atim, before.st_mtim);
}

Finished verify(const MirrorMount& mirror, std::vector<std::string> options) {
  options.insert(options.begin(), {"verify", mirror.mount().string()});
  return mirror.ctl(options);
}

nlohmann::json scrub_of(const MirrorMount& mirror) {
  return nlohmann::json::parse(mirror.status().json).at("scrub");
}

template <class Condition>
bool eventually(Condition condition, std::chrono::seconds patience = 40s) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(50ms);
  }
  return true;
}

TEST_F(Scrub, VerifyRepairsARunningMount) {
  MirrorMount mirror;
  make_directory(mirror.source("d"));
  for (const char* name : {"d/rotten", "d/gone", "mode"})
    write_file(mirror.source(name), "content");
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  rot(mirror.replica("d/rotten"));
  unlink_file(mirror.replica("d/gone"));
  change_mode(mirror.replica("mode"), 0600);
  write_file(mirror.replica("foreign"), "foreign");
  const Finished quick = verify(mirror, {});
  EXPECT_EQ(quick.exit_code, 1);
  EXPECT_EQ(quick.out.find("rotten"), std::string::npos) << "found without reading: " << quick.out;
  const Finished repaired = verify(mirror, {"--full", "--repair"});
  EXPECT_EQ(repaired.exit_code, 0) << repaired.out << repaired.err;
  for (const char* line : {"d/rotten: repaired: content", "d/gone: repaired: missing",
                           "mode: repaired", "foreign: repaired: extraneous", "repaired: mtime"}) {
    EXPECT_NE(repaired.out.find(line), std::string::npos) << line << " not in: " << repaired.out;
  }
  EXPECT_EQ(read_file(mirror.replica("d/rotten")), "content");
  EXPECT_FALSE(is_there(mirror.replica("foreign")));
  EXPECT_TRUE(mirror.identical());
  EXPECT_EQ(mirror.status().state, "in-sync");
  mirror.stop();
}

TEST_F(Scrub, ARepairThatIsRefusedIsTold) {
  MirrorMount mirror;
  write_file(mirror.source("file"), "content");
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  rot(mirror.replica("file"));
  mirror.pause();
  const Finished paused = verify(mirror, {"--full", "--repair", "--json"});
  EXPECT_EQ(paused.exit_code, 1) << paused.out;
  EXPECT_EQ(nlohmann::json::parse(paused.out).at("differences").at(0).at("path"), "file");
  mirror.resume();
  EXPECT_EQ(verify(mirror, {"--full", "--repair"}).exit_code, 0);
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

TEST_F(Scrub, WhatIsMountedIsNotRepairedPastTheDaemon) {
  MirrorMount mirror;
  write_file(mirror.source("file"), "content");
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  rot(mirror.replica("file"));
  const Finished refused = mirror.ctl(
      {"verify", "--full", "--repair", mirror.source().string(), mirror.replica().string()});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_EQ(std::count(refused.err.begin(), refused.err.end(), '\n'), 1) << refused.err;
  EXPECT_NE(refused.err.find("mirrorctl verify '" + mirror.mount().string() + "' --repair"),
            std::string::npos)
      << refused.err;
  EXPECT_NE(read_file(mirror.replica("file")), "content");
  EXPECT_EQ(verify(mirror, {"--full", "--repair"}).exit_code, 0);
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

/// Applications that write all the time: what is in flight is no difference, what is rotten is.
TEST_F(Scrub, VerifyUnderLoadFindsWhatDiffersAndNothingElse) {
  MirrorMount mirror;
  make_directory(mirror.source("still"));
  for (int i = 0; i < 50; ++i) write_file(mirror.source("still/f" + std::to_string(i)), "content");
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  std::atomic<bool> over = false;
  std::vector<std::thread> writers;
  for (int number = 0; number < 3; ++number) {
    const Path home = mirror.mount("busy" + std::to_string(number));
    make_directory(home);
    write_file(home / "log", "");
    writers.emplace_back([&over, home] {
      for (unsigned at = 0; !over; ++at) {
        append_to(home / "log", "a line\n");
        const Path file = home / ("f" + std::to_string(at % 20));
        write_file(file, pattern(5000 + at % 1000, at));
        if (at % 3 == 0) rename_to(file, home / "moved");
        if (at % 7 == 0) unlink_file(home / "moved");
        if (at % 7 == 0) write_file(home / "moved", "again");
      }
    });
  }
  for (const char* option : {"", "--full", "--full"}) {
    std::vector<std::string> options;
    if (*option != 0) options.emplace_back(option);
    const Finished clean = verify(mirror, options);
    EXPECT_EQ(clean.exit_code, 0) << clean.out << clean.err;
  }
  rot(mirror.replica("still/f7"));
  const Finished found = verify(mirror, {"--full"});
  EXPECT_EQ(found.exit_code, 1) << found.err;
  EXPECT_NE(found.out.find("still/f7: content\n1 differences"), std::string::npos) << found.out;
  const Finished repaired = verify(mirror, {"--full", "--repair"});
  EXPECT_EQ(repaired.exit_code, 0) << repaired.out << repaired.err;
  over = true;
  for (std::thread& writer : writers) writer.join();
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

TEST_F(Scrub, MendsRotUnaskedAndSaysSo) {
  MirrorMount mirror({.options = {"-o", "scrub=2s"}});
  make_directory(mirror.source("d"));
  write_file(mirror.source("d/rotten"), "content");
  write_file(mirror.source("d/good"), "content");
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  rot(mirror.replica("d/rotten"));
  EXPECT_TRUE(eventually([&] { return read_file(mirror.replica("d/rotten")) == "content"; }));
  EXPECT_TRUE(eventually([&] { return scrub_of(mirror).at("last_differences") == 1; }));
  EXPECT_EQ(scrub_of(mirror).at("differences_total"), 1);
  EXPECT_EQ(scrub_of(mirror).at("period_seconds"), 2);
  EXPECT_NE(mirror.log_tail().find("'d/rotten': content"), std::string::npos) << mirror.log_tail();
  const Finished metrics = mirror.ctl({"metrics", mirror.mount().string()});
  EXPECT_NE(metrics.out.find("mirrorfs_scrub_differences_total{"), std::string::npos);
  EXPECT_NE(metrics.out.find("mirrorfs_scrub_last_verify_timestamp_seconds{"), std::string::npos);
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

TEST_F(Scrub, IsSetWhileMountedAndRemembersItsPassesAfterAKill) {
  MirrorMount mirror;
  write_file(mirror.source("file"), "content");
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  EXPECT_EQ(scrub_of(mirror).at("period_seconds"), 0);
  const Finished set = mirror.ctl({"set", mirror.mount().string(), "scrub=1s"});
  ASSERT_EQ(set.exit_code, 0) << set.err;
  EXPECT_NE(set.out.find("scrub=1s\n"), std::string::npos) << set.out;
  ASSERT_TRUE(eventually([&] { return scrub_of(mirror).at("last_verify").is_number(); }));
  EXPECT_EQ(mirror.ctl({"set", mirror.mount().string(), "scrub=off"}).exit_code, 0);
  EXPECT_EQ(mirror.ctl({"set", mirror.mount().string(), "scrub=-1"}).exit_code, 2);
  rot(mirror.replica("file"));
  const auto before = scrub_of(mirror).at("objects_total");
  std::this_thread::sleep_for(2s);
  EXPECT_EQ(scrub_of(mirror).at("objects_total"), before) << "it goes on though it is off";
  EXPECT_NE(read_file(mirror.replica("file")), "content");
  mirror.crash();
  mirror.start({"--scrub=7d"});
  EXPECT_TRUE(eventually([&] { return scrub_of(mirror).at("last_verify").is_number(); }));
  EXPECT_EQ(verify(mirror, {"--full", "--repair"}).exit_code, 0);
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

TEST_F(Scrub, NoticesThatTheReplicaWasEmptied) {
  MirrorMount mirror({.options = {"--scrub=1h"}});
  make_directory(mirror.source("d"));
  write_file(mirror.source("d/file"), "content");
  write_file(mirror.source("file"), "content");
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  std::filesystem::remove_all(mirror.replica("d"));
  unlink_file(mirror.replica("file"));
  EXPECT_TRUE(eventually([&] { return is_there(mirror.replica("d/file")); }, 60s));
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

}  // namespace
}  // namespace mirrorfs::test
